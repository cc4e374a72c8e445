"""The words of plugins/README.md, held to the code: signatures, parameters, defaults, links; and
every example runs, installed as a plugin.
"""

import ast
import dataclasses
import importlib
import json
import re
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from places import ROOT
from tlf import testing
from tlf.cli.main import cli
from tlf.components import BuiltBackbone, Split, Splits
from tlf.errors import NotFiniteError
from tlf.exports.export import export
from tlf.inference.predict import load_classifier
from tlf.model import Classifier
from tlf.plugins.loading import load_plugins
from tlf.preprocessing import Preprocessing
from tlf.reports.panel import Panel
from tlf.reports.report import Report
from tlf.results import EpochResult, Progress, RunResult, StageSignals, UpdateResult
from tlf.runs.run import run
from tlf.trackers import TrackedRun

PLUGINS = ROOT / "plugins"
README = (PLUGINS / "README.md").read_text(encoding="utf-8")
BACKBONES = (PLUGINS / "BACKBONES.md").read_text(encoding="utf-8")
HOOKS = {
    node.name: node
    for node in ast.parse((ROOT / "tlf" / "hookspecs.py").read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef)
}
HEADINGS = re.findall(r"^### `(.+)`$", README, re.MULTILINE)
PARTS = {heading.partition("(")[0]: README.partition(f"### `{heading}`\n")[2].split("\n##")[0]
         for heading in HEADINGS}  # fmt: skip


class Unquoted(ast.NodeTransformer):
    """Annotations that are strings, for the sake of imports, are what they say."""

    def visit_Constant(self, node):
        return ast.parse(node.value, mode="eval").body if isinstance(node.value, str) else node


def signature(function, leave_out=()):
    """What stands behind ``def``, in one line, with annotations unquoted."""
    arguments = function.args
    for argument in arguments.args:
        argument.annotation = argument.annotation and Unquoted().visit(argument.annotation)
    arguments.args = [argument for argument in arguments.args if argument.arg not in leave_out]
    returns = ast.unparse(Unquoted().visit(function.returns))
    return f"{function.name}({ast.unparse(arguments)}) -> {returns}".replace("=", " = ")


def defined(module):
    tree = ast.parse(Path(importlib.import_module(module).__file__).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def example(name):
    """The example of a hook, of which there is one, or the one below a title."""
    titled = f"{README}\n{BACKBONES}".partition(f"## {name}\n")[2].split("\n##")[0]
    part = PARTS.get(name, titled)
    (code,) = re.findall(r"^```python\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
    return code


# Words


def test_every_hook_is_documented_with_its_exact_signature_in_the_order_of_a_run():
    assert [signature(node) for node in HOOKS.values()] == HEADINGS


@pytest.mark.parametrize("name", HOOKS)
def test_every_parameter_is_explained_as_in_the_docstring(name):
    told = dict(re.findall(r"^- `(\w+)`: (.+)$", PARTS[name], re.MULTILINE))
    arguments = [argument.arg for argument in HOOKS[name].args.args]
    assert list(told) == arguments
    docstring = ast.get_docstring(HOOKS[name])
    for argument, words in told.items():
        assert f"{argument}: {words.partition(':')[0].rstrip('.')}" in docstring


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_links_to_something_that_uses_it(name):
    (path,) = re.findall(r"^Used by \[[^\]]+\]\(([^)]+)\)\.$", PARTS[name], re.MULTILINE)
    assert re.search(rf"@hookimpl\n *def {name}\(", (PLUGINS / path).read_text(encoding="utf-8"))


def test_verbs_are_the_protocols():
    source = (ROOT / "tlf" / "components.py").read_text(encoding="utf-8")
    protocols = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and [ast.unparse(b) for b in node.bases] == ["Protocol"]
    ]
    verbs = [signature(f, ("self",)) for p in protocols for f in p.body
             if isinstance(f, ast.FunctionDef)]  # fmt: skip
    assert len(verbs) == 12
    words = " ".join(README.split())
    assert [verb for verb in verbs if f"`{verb}`" not in words] == []


def test_checks_are_shown_with_their_defaults():
    shown = re.findall(r"^\| `(check_.+?)` \|", README, re.MULTILINE)
    functions = {
        name: node
        for kind in ("datasets", "augmentations", "backbones", "heads", "losses",
                     "evaluation.metrics", "freeze_policies", "optimizers", "schedulers",
                     "evaluation.trackers", "extensions", "decisions",
                     "evaluation.report_panels", "command_line")
        for name, node in defined(f"tlf.testing.{kind}").items()
        if name.startswith("check_")
    }  # fmt: skip
    assert [one.replace("\\|", "|") for one in shown] == [signature(f) for f in functions.values()]
    assert {*functions} | {"tiny_classifiers"} == {*testing.__all__}


def test_what_authors_of_backbones_use_is_there():
    shown = re.findall(r"^- `(tlf\.pretrained\.\w+)\.(\w+)(\(.+?)`", README, re.MULTILINE)
    assert len(shown) == 4
    for module, name, rest in shown:
        home = getattr(importlib.import_module(module), name).__module__
        assert signature(defined(home)[name]) == name + rest


@pytest.mark.parametrize(
    "cls",
    [Classifier, Progress, UpdateResult, EpochResult, StageSignals, RunResult,
     TrackedRun, Split, Splits, BuiltBackbone, Panel, Report, Preprocessing],
)  # fmt: skip
def test_what_plugins_are_given_and_give_has_a_table_with_every_field(cls):
    table = rf"^\| `{cls.__name__}` \|.*\n\|.*\n((?:\|.*\n)+)"
    rows = re.search(table, README, re.MULTILINE)[1].splitlines()
    shown = [name for row in rows for name in re.findall(r"`(\w+)[^`]*`", row.split("|")[1])]
    own = [name for name in vars(cls) if not name.startswith("_") and name != "forward"]
    if cls is Classifier:
        assert sorted(shown) == sorted([*own, "backbone", "head", "stages"])
    else:
        fields = [field.name for field in dataclasses.fields(cls)]
        assert shown == [*fields, *(name for name in own if name not in fields)]


def test_every_hook_has_its_test():
    assert [name for name in HOOKS if f"test_{name}" not in globals()] == []


def test_the_first_lines_are_those_that_test_new_plugin_runs():
    before, _, rest = README.partition("```sh\n")
    block = rest.partition("```")[0]
    lines = [line.partition("#")[0].strip() for line in block.strip().split("\n")]
    assert len(lines) <= 10
    assert "\n##" not in before
    assert len(before.splitlines()) <= 6
    assert lines == [
        "tlf new-plugin ends", "pip install -e tlf-ends", "pytest -q tlf-ends",
        "tlf explain recipes/resnet18_finetune.toml phases.0.freeze=ends:ends",
    ]  # fmt: skip


# Examples


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install the example of a hook as the plugin ``example``."""

    def install(name):
        info = tmp_path / "site" / "tlf_example-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tlf-example\nVersion: 1.0\n")
        module = "readme_" + name.replace(" ", "_")
        (info / "entry_points.txt").write_text(f"[tlf]\nexample = {module}\n")
        (tmp_path / "site" / f"{module}.py").write_text(example(name), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path / "site")
        monkeypatch.setitem(sys.modules, module, None)
        del sys.modules[module]
        importlib.invalidate_caches()

    return install


@pytest.fixture
def offered(install):
    """What the example of a hook offers, with its defaults."""

    def offered(hook, title=None):
        install(title or hook)
        catalogue = load_plugins(["example"]).catalogue
        (kind,) = [kind for kind in catalogue.of(hook) if kind.startswith("example:")]
        return kind, catalogue.of(hook)[kind].component()

    return offered


@pytest.fixture
def trained(recipe, tmp_path):
    """Run the small recipe with some changes; its folder and the last thing that happened."""

    def trained(*changes):
        *_, result = run(recipe, ["phases.0.epochs=2", "phases.1.epochs=1", *changes])
        return tmp_path / "run", result

    return trained


def test_tlf_datasets(offered, trained):
    kind, dataset = offered("tlf_datasets")
    testing.check_dataset(dataset)
    _, result = trained(f"data={{kind = '{kind}', count = 4}}")
    assert len(result.history) == 3


def test_tlf_augmentations(offered, trained):
    kind, grey = offered("tlf_augmentations")
    testing.check_augmentation(grey)
    image = torch.randint(256, (3, 9, 9), dtype=torch.uint8)
    changed = dataclasses.replace(grey, chance=1.0).augment(image, 8)
    assert torch.equal(changed[0], changed[2])
    trained(f"transforms.augment={kind}")


def test_tlf_transforms(offered, trained, images):
    kind, stretch = offered("tlf_transforms")
    testing.check_transform(stretch)
    folder, result = trained(f"transforms.prepare=['{kind}']")
    classifier = load_classifier(folder)
    assert classifier.preprocessing.prepare == ({"kind": kind},)
    split = [*(images / "val").rglob("*.jpg")]
    right = [p.label == Path(p.path).parent.name for p in classifier.predict(split)]
    assert sum(right) / len(right) == pytest.approx(result.best.eval_top1)
    pixels = classifier.prepare(split[:1])
    plain = dataclasses.replace(
        classifier, preprocessing=dataclasses.replace(classifier.preprocessing, prepare=())
    )
    assert not torch.equal(pixels, plain.prepare(split[:1]))


def test_tlf_backbones(offered, trained, tmp_path):
    kind, backbone = offered("tlf_backbones")
    testing.check_backbone(backbone)
    folder, _ = trained(f"backbone={{kind = '{kind}'}}")
    weights = folder / "model.safetensors"
    again = dataclasses.replace(backbone, weights=str(weights)).build().module.state_dict()
    stored = load_file(weights)
    assert all(torch.equal(value, stored[name]) for name, value in again.items())


def test_a_network_of_your_own(offered, trained):
    kind, backbone = offered("tlf_backbones", "A network of your own")
    testing.check_backbone(backbone)
    told = re.search(r"cut\(module\)  # (.+)", example("A network of your own"))[1]
    assert [*backbone.build().stages] == told.split(", ")
    folder, _ = trained(f"backbone={{kind = '{kind}'}}", "phases.0.freeze=all-but-last")
    first = json.loads((folder / "segments.jsonl").read_text().splitlines()[0])["rates"]
    assert {name.split(".")[1] for name in first if name.startswith("backbone.")} == {"top"}


def test_a_backbone_for_heads_that_pool(offered, trained):
    kind, backbone = offered("tlf_backbones", "A backbone for heads that pool")
    testing.check_backbone(backbone)
    folder, _ = trained(f"backbone={{kind = '{kind}'}}", "head=attention-pool")
    assert load_classifier(folder).model.head.pools


def test_tlf_heads(offered, trained):
    kind, head = offered("tlf_heads")
    testing.check_head(head)
    folder, _ = trained(f"head={kind}")
    assert "1.weight" in load_file(folder / "head.safetensors")


def test_tlf_losses(offered, trained):
    kind, loss = offered("tlf_losses")
    testing.check_loss(loss)
    _, result = trained(f"loss={kind}")
    assert all(0 < epoch.train_loss < 2 for epoch in result.history)


def test_tlf_metrics(offered, trained):
    kind, sure = offered("tlf_metrics")
    testing.check_metric(sure)
    folder, result = trained(f"metrics=['{kind}', 'macro-f1']", "monitor=eval_sure_of")
    assert result.best.eval_sure_of == max(epoch.eval_sure_of for epoch in result.history)
    line = json.loads((folder / "metrics.jsonl").read_text().splitlines()[0])
    assert line["eval_sure_of"] == result.history[0].eval_sure_of
    shown = CliRunner().invoke(cli, ["history", str(folder)]).output
    assert re.search(r"loss +top-1 +sure +macro-F1 +lr", shown)
    assert "* the best epoch, by eval_sure_of" in shown


def test_tlf_freeze_policies(offered, trained):
    kind, policy = offered("tlf_freeze_policies")
    testing.check_freeze_policy(policy)
    folder, _ = trained(f"phases.0.freeze={kind}")
    lines = (folder / "segments.jsonl").read_text().splitlines()
    first, second, _ = (set(json.loads(line)["rates"]) for line in lines)
    assert {name.split(".")[0] for name in first} == {"head"}
    assert any("layer1" in name for name in second - first)


def test_tlf_optimizers(offered, trained):
    kind, optimizer = offered("tlf_optimizers")
    testing.check_optimizer(optimizer)
    trained(f"optimizer={kind}")


def test_tlf_schedulers(offered, trained):
    kind, scheduler = offered("tlf_schedulers")
    testing.check_scheduler(scheduler)
    _, result = trained(f"phases.0.scheduler={kind}")
    updates = result.history[0].updates
    assert result.history[1].lr == pytest.approx(0.1 * (2 * updates) ** -0.5)


def test_tlf_trackers(offered, trained):
    kind, lines = offered("tlf_trackers")
    testing.check_tracker(lines)
    folder, result = trained(f"tracking={{kind='{kind}'}}")
    logged = [json.loads(line) for line in (folder / "figures.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == [1, 2, 3, 3]
    assert [line["eval_loss"] for line in logged[:3]] == [e.eval_loss for e in result.history]
    assert logged[3]["best/eval_loss"] == result.best.eval_loss
    assert (folder / "figures.txt").read_text() == "finished"


def test_tlf_extensions(offered, trained, tmp_path):
    kind, _ = offered("tlf_extensions")
    trained(f"extensions=[{{kind = '{kind}', file = '{tmp_path / 'log.txt'}'}}]")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [["head", "0"], ["head", "1"], ["all", "0"]]
    stored = (tmp_path / "run" / "recipe.toml").read_text()
    assert f'kind = "{kind}"' in stored


def test_what_an_extension_keeps(offered, trained, capsys):
    kind, count = offered("tlf_extensions", "What an extension keeps")
    testing.check_extension(count)
    capsys.readouterr()
    _, result = trained(f"extensions=['{kind}']")
    assert capsys.readouterr().out == f"{sum(epoch.updates for epoch in result.history)} updates\n"


def test_tlf_exporters(offered, finished, tmp_path):
    kind, program = offered("tlf_exporters")
    testing.check_exporter(program)
    found = export(finished, kind, tmp_path / "program.pt2")
    assert found.loaded
    assert found.difference < 1e-5


def test_tlf_commands(install, finished):
    install("tlf_commands")
    done = CliRunner().invoke(cli, ["example:epochs", str(finished)])
    assert (done.exit_code, done.output) == (0, "3\n")


def test_tlf_run_started(install, trained, capsys):
    install("tlf_run_started")
    folder, _ = trained("plugins=['example']")
    assert capsys.readouterr().out == f"new: {folder}\n"


def test_tlf_phase_started(install, trained, capsys):
    install("tlf_phase_started")
    trained("plugins=['example']")
    assert capsys.readouterr().out == "now: head\nnow: all\n"


def test_tlf_training_step(install, trained):
    _, plain = trained("phases.0.lr=1e-9")
    install("tlf_training_step")
    _, result = trained("phases.0.lr=1e-9", "plugins=['example']", "head.dropout=0.0")
    assert result.history[0].train_loss > plain.history[0].train_loss


def test_tlf_update_ended(install, trained, capsys):
    install("tlf_update_ended")
    trained("plugins=['example']")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"epoch {n}: 20 images, lr {lr}" for n, lr in ((0, 0.1), (1, 0.1), (0, 0.01))]


def test_tlf_epoch_ended(install, trained, capsys):
    install("tlf_epoch_ended")
    trained("plugins=['example']")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "head, epoch 0", "head, epoch 1", "all, epoch 0",
    ]  # fmt: skip


def test_tlf_stop(install, trained, monkeypatch):
    install("tlf_stop")
    plugin = importlib.import_module("readme_tlf_stop")
    monkeypatch.setattr(plugin, "START", -1e9)
    _, result = trained("plugins=['example']", "cache.mode=off")  # nothing is computed before
    assert re.fullmatch(
        r"stopped on request in epoch 1 of 2 of phase head: an hour is over", result.stopped
    )


def test_tlf_select_best(install, trained):
    still = ["phases.0.lr=1e-9", "phases.1.lr=1e-9", "phases.1.freeze=backbone"]
    _, plain = trained(*still)  # nothing gets better, and ties go to the earlier epoch
    assert (plain.best.phase, plain.best.epoch) == ("head", 0)
    install("tlf_select_best")
    _, result = trained(*still, "plugins=['example']")
    assert (result.best.phase, result.best.epoch) == ("head", 1)


def test_tlf_model_trained(install, trained):
    install("tlf_model_trained")
    folder, _ = trained("plugins=['example']")
    weight = load_file(folder / "head.safetensors")["weight"]
    torch.testing.assert_close(weight.sum(0), torch.zeros(weight.shape[1]))


def test_tlf_run_ended(install, trained):
    install("tlf_run_ended")
    folder, result = trained("plugins=['example']")
    assert (folder / "done.txt").read_text() == f"{result.best.eval_top1:.1%}\n"


def test_tlf_run_failed(install, recipe, tmp_path):
    install("tlf_run_failed")
    with pytest.raises(NotFiniteError) as caught:
        [*_] = run(recipe, ["plugins=['example']", "phases.0.lr=1e30"])
    assert (tmp_path / "run" / "error.txt").read_text() == f"{caught.value}\n"


def test_tlf_report_panels(install, trained):
    install("tlf_report_panels")
    testing.check_report_panels(
        importlib.import_module("readme_tlf_report_panels").tlf_report_panels
    )
    folder, _ = trained("plugins=['example']")
    done = CliRunner().invoke(cli, ["report", str(folder), "--no-neighbours"])
    assert (done.exit_code, "plugin" in done.output) == (0, False)
    page = (folder / "report.html").read_text()
    assert '<h2 id="plugin-example-rarest-title">Rarest classes</h2>' in page
    assert '<th scope="row">circles</th>' in page

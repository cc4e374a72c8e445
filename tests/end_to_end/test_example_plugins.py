"""The example plugins as anybody would have them: built as wheels, installed, tested from there,
and used in runs.
"""

import csv
import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from ast import literal_eval
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from places import ROOT

PLUGINS = sorted(path for path in (ROOT / "plugins").iterdir() if path.is_dir())
NAMES = [path.name for path in PLUGINS]
PEFT = pytest.mark.skipif(not importlib.util.find_spec("peft"), reason="peft is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that all of them are installed into, from wheels."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", wheels]
    check(*build, *PLUGINS)
    assert len(list(wheels.glob("*.whl"))) == len(PLUGINS)
    check(*pip, "install", "--no-deps", "--no-index", "--target", target, *wheels.glob("*.whl"))
    return target


def check(*command, **more):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def start(site):
    """Run a module of Python where they are installed, and nothing of their source is."""

    def start(*command, cwd):
        path = os.pathsep.join([str(site), str(ROOT), os.environ.get("PYTHONPATH", "")])
        return check(
            sys.executable, "-m", *command, cwd=cwd, env={**os.environ, "PYTHONPATH": path}
        )

    return start


def component(site, monkeypatch, module, name):
    monkeypatch.syspath_prepend(site)
    return getattr(importlib.import_module(module), name)


@pytest.mark.slow
def test_their_own_tests_pass(start, tmp_path):
    """All in one process: most of their time would be its imports."""
    missing = () if importlib.util.find_spec("peft") else ("tlf-lora",)
    tested = [plugin for plugin in PLUGINS if plugin.name not in missing]
    shown = start(
        "pytest", "-q", "-n0", "-rps", "-p", "no:cacheprovider", "--import-mode=importlib",
        "-W", "error", "--confcutdir", ROOT / "plugins", "--rootdir", tmp_path,
        *(plugin / "tests" for plugin in tested), cwd=tmp_path,
    )  # fmt: skip
    passed = {*re.findall(r"^PASSED test_(\w+)\.py", shown, re.MULTILINE)}
    assert passed == {plugin.name.replace("-", "_") for plugin in tested}
    skipped = [line for line in shown.splitlines() if line.startswith("SKIPPED")]
    assert all("-pytorch-model is not installed" in line for line in skipped)


@pytest.mark.parametrize("plugin", NAMES)
def test_their_readmes_show_options_as_they_are(plugin, site, monkeypatch):
    monkeypatch.syspath_prepend(site)
    module = importlib.import_module(plugin.replace("-", "_"))
    shown = (ROOT / "plugins" / plugin / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*?`(\w+)` \| (?:`(.*?)`)? ?\|", shown, re.MULTILINE)
    offered = [
        *getattr(module, "tlf_datasets", dict)().values(),
        *getattr(module, "tlf_extensions", dict)().values(),
        *getattr(module, "tlf_transforms", dict)().values(),
        *getattr(module, "tlf_freeze_policies", dict)().values(),
        *getattr(module, "tlf_backbones", dict)().values(),
    ]
    fields = {
        field.name: _written(field.default)
        for cls in offered
        for field in dataclasses.fields(cls)
        if field.init
    }
    assert {name: literal_eval(default) if default else "" for name, default in rows} == fields


def _written(default):
    """A default as a recipe would say it; "" where there is none."""
    if default is dataclasses.MISSING:
        return ""
    return str(default) if isinstance(default, Path) else default


@pytest.mark.parametrize("plugin", NAMES)
def test_their_packages_are_whole(plugin):
    folder = ROOT / "plugins" / plugin
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == plugin
    short, module = plugin.removeprefix("tlf-"), plugin.replace("-", "_")
    assert project["project"]["entry-points"]["tlf"] == {short: module}
    assert (folder / "tests" / f"test_{module}.py").is_file()
    source = folder / module / "__init__.py" if (folder / module).is_dir() else f"{module}.py"
    assert "Source: " in (folder / source).read_text(encoding="utf-8")


def test_surgical_trains_the_block_with_the_longest_gradient(start, recipe, tmp_path):
    start(
        "tlf", recipe, "phases.1.freeze={kind='surgical:relative', stages=2}",
        "extensions=['surgical:report']", cwd=tmp_path,
    )  # fmt: skip
    rows = list(csv.DictReader((tmp_path / "relative_gradients.csv").read_text().splitlines()))
    first = {r["stage"]: float(r["relative_gradient"]) for r in rows
             if (r["phase"], r["epoch"]) == ("all", "0") and r["stage"] != "head"}  # fmt: skip
    longest = sorted(first, key=first.get)[-2:]
    _, _, last = (json.loads(line)["rates"] for line in
                  (tmp_path / "run" / "segments.jsonl").read_text().splitlines())  # fmt: skip
    names = {"stem": ("conv1", "bn1")}
    expected = {"head"} | {part for stage in longest for part in names.get(stage, (stage,))}
    assert {n.split(".")[1] if n.startswith("backbone.") else "head" for n in last} == expected


def test_sam_changes_the_weights_and_the_run_stays_whole(start, recipe, tmp_path):
    start("tlf", recipe, f"output={tmp_path / 'plain'}", cwd=tmp_path)
    sam = "extensions=[{kind='sam:sam', rho=0.1}]"
    start("tlf", recipe, sam, "precision=no", cwd=tmp_path)
    plain, sharp = (load_file(tmp_path / run / "model.safetensors") for run in ("plain", "run"))
    assert plain.keys() == sharp.keys()
    assert not torch.equal(plain["layer4.0.conv1.weight"], sharp["layer4.0.conv1.weight"])


def test_wise_keeps_the_best_mixture_beside_the_run(start, recipe, tmp_path):
    shares = "extensions=[{kind='wise:interpolate', shares=[0.0, 0.5, 1.0]}]"
    starter = ["backbone={kind='torchvision', model='resnet18', weights='starter'}",
               "transforms.size=32", "transforms.resize=36"]  # fmt: skip
    start("tlf", recipe, shares, *starter, "phases.0.freeze=nothing", cwd=tmp_path)
    run, wise = tmp_path / "run", tmp_path / "run" / "wise"
    rows = [{k: float(v) for k, v in row.items()} for row in
            csv.DictReader((wise / "shares.csv").read_text().splitlines())]  # fmt: skip
    assert [row["share"] for row in rows] == [0.0, 0.5, 1.0]
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["eval_top1"] == max(epoch["eval_top1"] for epoch in epochs)
    best = max(rows, key=lambda row: (row["eval_top1"], -row["eval_loss"]))["share"]
    tuned, mixed = (load_file(folder / "model.safetensors") for folder in (run, wise))
    old = load_file(ROOT / "tlf" / "pretrained" / "starter_resnet18.safetensors")
    name = "layer1.0.conv1.weight"
    torch.testing.assert_close(mixed[name], old[name] + best * (tuned[name] - old[name]))
    assert torch.equal(mixed["fc.weight"], tuned["fc.weight"])
    images = tomllib.loads(recipe.read_text())["data"]["root"]
    start("tlf", "predict", wise, Path(images, "val"), cwd=tmp_path)


@pytest.mark.slow
def test_formula_trains_on_images_that_are_drawn_once(start, recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    few = "{kind='formula:images', classes=3, train_per_class=4, eval_per_class=2, size=32}"
    for run in ("first", "second"):
        start("tlf", recipe, f"data={few}", f"output={tmp_path / run}", cwd=tmp_path)
    assert len(list((tmp_path / "cache" / "formula").iterdir())) == 1
    first, second = (load_file(tmp_path / run / "model.safetensors") for run in ("first", "second"))
    assert first["fc.weight"].shape[0] == 3
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_formula_packs_a_run_into_weights_for_another(start, recipe, tmp_path):
    small = ["transforms.size=32", "transforms.resize=36"]
    fresh = "backbone={kind='torchvision', model='resnet18', weights='none'}"
    start("tlf", recipe, fresh, *small, cwd=tmp_path)
    start("tlf_formula.pack", "run", "packed.safetensors", cwd=tmp_path)
    packed = fresh.replace("none", str(tmp_path / "packed.safetensors"))
    start("tlf", recipe, packed, "phases.0.freeze=backbone", "phases.1.freeze=backbone",
          f"output={tmp_path / 'tuned'}", *small, cwd=tmp_path)  # fmt: skip
    trained, tuned = (load_file(tmp_path / run / "model.safetensors") for run in ("run", "tuned"))
    name = "layer1.0.conv1.weight"
    assert torch.equal(tuned[name], trained[name].half().float())


@PEFT
def test_lora_leaves_plain_weights(start, recipe, tmp_path):
    backbone = "backbone={kind='lora:lora', model='test_resnet.r160_in1k', weights='none'}"
    start("tlf", recipe, backbone, "phases.1.freeze=lora:base", cwd=tmp_path)
    import timm

    model = timm.create_model("test_resnet", num_classes=2)
    model.load_state_dict(load_file(tmp_path / "run" / "model.safetensors"))
    root = Path(tomllib.loads(recipe.read_text())["data"]["root"], "val")
    shown = start("tlf", "predict", tmp_path / "run", root, "--format", "csv", cwd=tmp_path)
    own = list(csv.DictReader(shown.splitlines()))
    stored = csv.DictReader((tmp_path / "run" / "predictions.csv").read_text().splitlines())
    by_name = {Path(row["path"]).parts[-2:]: row for row in stored}
    for row in own:
        before = by_name[Path(row["path"]).parts[-2:]]
        assert float(row["p_circles"]) == pytest.approx(float(before["p_circles"]), abs=1e-3)

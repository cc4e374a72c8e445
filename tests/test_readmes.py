"""The documents, held to the code: which there are, their links, options and defaults, commands,
rooms and examples. What plugins/README.md says about hooks is in test_documents.py.
"""

import ast
import dataclasses
import json
import os
import re
import shutil
import subprocess
import tomllib
from importlib import import_module
from typing import get_args

import click
import pytest
from safetensors.torch import load_file

import tlf
from places import ROOT
from tlf.builtin.shards import Shards
from tlf.commands import COMMANDS
from tlf.exports.formats import FORMATS
from tlf.inference.sealed_file import FORMAT, NEWEST
from tlf.plugins.loading import load_plugins
from tlf.recipe import schema
from tlf.recipe.files import resolve
from tlf.recipe.plan import plan_of
from tlf.recipe.tables import Kind, kind_of, options, written
from tlf.runtime.seal import header

DOCUMENTS = [
    "README.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
    "docker/README.md",
    "plugins/BACKBONES.md",
    "plugins/README.md",
    "recipes/README.md",
    "tests/benchmarks/README.md",
    "tlf/API.md",
    "tlf/CHANGELOG.md",
    "tlf/README.md",
    "tlf/builtin/shards/README.md",
    "tlf/cache/README.md",
    "tlf/checks/FINDING.md",
    "tlf/checks/README.md",
    "tlf/data/ranges/README.md",
    "tlf/evaluation/README.md",
    "tlf/exports/README.md",
    "tlf/inference/README.md",
    "tlf/inference/UNSURE.md",
    "tlf/metrics/README.md",
    "tlf/publishing/README.md",
    "tlf/reports/README.md",
    "tlf/runtime/README.md",
    "tlf/serving/README.md",
    "tlf/simulator/README.md",
    "tlf/studies/README.md",
    "tlf/studies/compare/README.md",
    "tlf/studies/learning_curve/README.md",
    "tlf/studies/learning_rate/README.md",
    "tlf/studies/probe/README.md",
    "tlf/studies/soup/README.md",
    "tlf/studies/sweep/README.md",
]
FOLDERS = ("tlf/**", "plugins/**", "recipes", "docker", "tests/**", ".github", ".")
EVERY = sorted({path for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.md")})
"""Every Markdown file of the repository; what tools leave in hidden folders is none of it."""

CATALOGUE = load_plugins([]).catalogue

TABLES = {
    "the top level": schema.Recipe,
    "`[checkpoint_every]`": schema.CheckpointEvery,
    "`[cache]`": schema.CacheSettings,
    "`[data]`": schema.Data,
    "`[transforms]`": schema.Transforms,
    "`[[phases]]`": schema.Phase,
    "key of `early_stopping`": schema.EarlyStopping,
}
"""Where recipes/README.md describes a table of recipes → its class."""

SECTIONS = {
    "tlf_datasets": "`[data]`",
    "tlf_augmentations": "`[transforms]`",
    "tlf_backbones": "`[backbone]`",
    "tlf_heads": "`[head]`",
    "tlf_losses": "`loss`",
    "tlf_metrics": "`metrics`",
    "tlf_freeze_policies": "`freeze`",
    "tlf_optimizers": "`[optimizer]`",
    "tlf_schedulers": "`scheduler`",
    "tlf_trackers": "`[tracking]`",
}
"""Hook → the section of recipes/README.md with what it offers."""


def text(document):
    return (ROOT / document).read_text(encoding="utf-8")


def section(document, title):
    """What stands below a heading, up to the next one of any level."""
    parts = re.split(r"^#+ (.+)\n", text(document), flags=re.MULTILINE)
    (found,) = [body for name, body in zip(parts[1::2], parts[2::2], strict=True)
                if name.lower() == title.lower()]  # fmt: skip
    return found


def rows(table):
    """The cells of every row of Markdown tables."""
    lines = re.findall(r"^\|(.*)\|$", table, re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]


# Which there are


def test_every_document_is_there():
    assert [name for name in DOCUMENTS if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("name", DOCUMENTS[1:])
def test_the_readme_leads_to_every_other_document(name):
    studies = "tlf/studies/"  # whose document names those of its rooms
    if name.startswith(studies) and name != f"{studies}README.md":
        assert f"]({name.removeprefix(studies)})" in text(f"{studies}README.md")
    else:
        assert f"`{name}`" in section("README.md", "Read more")


def test_the_readme_is_short():
    assert len(text("README.md").splitlines()) <= 250


@pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []
    if path == ROOT / "README.md":  # on a package index, relative links lead nowhere
        assert links == []


def anchors(path):
    """What GitHub makes of the headings of a document."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_headings(path):
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", path.read_text(encoding="utf-8"))
    target = {file: path.parent / file if file else path for file, _ in links}
    assert [(file, to) for file, to in links if to not in anchors(target[file])] == []


def test_the_documents_are_in_the_repository():
    assert {ROOT / name for name in DOCUMENTS} <= {*EVERY}


def test_the_newest_change_is_that_of_this_version():
    first, *_ = re.findall(r"^## (\S+)", text("tlf/CHANGELOG.md"), re.MULTILINE)
    assert first == tlf.__version__


@pytest.mark.parametrize("name", ["tlf/README.md", "tlf/cache/README.md", ".github/CONTRIBUTING.md",
                                  "tlf/inference/README.md", "tlf/reports/README.md"])  # fmt: skip
def test_files_that_documents_name_are_there(name):
    paths = re.findall(r"`((?:tlf|tests|plugins|recipes|docker)/[\w./-]+)`", text(name))
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


# Commands, recipes and rooms


def wanted_row(name):
    """What README's table may say of a command, where nobody has written it yet."""
    command = import_module(f"tlf.cli.commands.{name.replace('-', '_')}").command
    usage = " ".join(command.collect_usage_pieces(click.Context(command)))
    return f"| `tlf {name} {usage}` | {command.get_short_help_str(200)} |"


def test_the_readme_has_one_row_for_each_command():
    shown = [first for first, *_ in rows(section("README.md", "Commands")) if "`tlf " in first]
    names = [re.match(r"`tlf ([\w-]+)", first)[1] for first in shown]
    names = ["run" if name == "RECIPE" else name for name in names]
    missing = [wanted_row(name) for name in COMMANDS if name not in names]
    assert not missing, "\n".join(["README.md lacks a row, such as", *missing])
    assert sorted(names) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_that_the_readme_names_are_the_commands(name):
    command = import_module(f"tlf.cli.commands.{name.replace('-', '_')}").command
    known = {option for parameter in command.params for option in parameter.opts}
    (row,) = [cells for cells in rows(section("README.md", "Commands"))
              if re.match(rf"`tlf {'RECIPE' if name == 'run' else name}\b", cells[0])]  # fmt: skip
    said = {*re.findall(r"--[\w-]+", " ".join(row))} - ({"--resume"} if name == "resume" else set())
    assert said <= known


def test_every_recipe_is_listed():
    table = rows(section("recipes/README.md", "The recipes here"))
    shown = [first.strip("`") for first, *_ in table if first.startswith("`")]
    assert sorted(shown) == sorted(path.name for path in (ROOT / "recipes").glob("*.toml"))


def test_rooms_stand_in_their_layers():
    project = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]
    (layers,) = [one["layers"] for one in project["contracts"] if one["type"] == "layers"]
    split = [[name.strip() for name in re.split(r"[:|]", layer)] for layer in layers]
    root = split.pop()
    wanted = {
        (str(height), name)
        for height, names in zip(range(len(split) + 1, 1, -1), split, strict=True)
        for name in names
        if name != "__main__"
    }
    table = [cells for cells in rows(section("tlf/README.md", "Rooms")) if cells[0].isdigit()]
    *above, lowest = table
    assert {(height, name.strip("`")) for height, name, *_ in above} == wanted
    assert lowest[:2] == ["1", "root"]
    assert sorted(re.findall(r"`(\w+)`", lowest[2])) == sorted(root)


def test_the_public_face_of_a_room_is_in_it():
    for _, room, _, face in [cells for cells in rows(section("tlf/README.md", "Rooms"))
                             if cells[0].isdigit() and cells[1] != "root"]:  # fmt: skip
        files = [*(ROOT / "tlf" / room.strip("`")).rglob("*.py")]
        source = "\n".join(path.read_text(encoding="utf-8") for path in files)
        for name in re.findall(r"`(\w+)`", face):
            there = re.search(rf"^(def |class )?{name}\b", source, re.MULTILINE)
            assert there or name in [path.stem for path in files], f"{room} has no {name}"


def test_names_that_the_architecture_leads_to_are_there():
    paths = (ROOT / "tlf").rglob("*.py")
    words = set(re.findall(r"\w+", " ".join(path.read_text(encoding="utf-8") for path in paths)))
    assert set(re.findall(r"`(\w+)`", section("tlf/README.md", "Where do I …"))) <= words


# Keys and options of recipes


def documented(body, columns):
    """(Key, default) of the tables of so many columns; for components (kind, option, default)."""
    kind, found = "", []
    for cells in rows(body):
        if len(cells) != columns or not re.match(r"`.*`$|$", cells[0]):
            continue
        if columns == 3:
            found.append((cells[0].strip("`"), cells[1]))
        else:
            kind = cells[0].strip("`") or kind
            found.append((kind, cells[1].strip("`"), cells[2]))
    return found


def default(field, hint):
    """A default as recipes/README.md shows it, and what stands there instead of one."""
    mark = kind_of(hint)
    if mark and mark.default:
        return mark.default
    if field.default is None:
        return "unset"
    if field.default is dataclasses.MISSING:
        return "required"
    return value(field.default, hint)


def value(given, hint):
    if isinstance(given, tuple):
        return list(given)
    if dataclasses.is_dataclass(given):
        return {k: v for k, v in dataclasses.asdict(given).items() if v is not None}
    return written(given, hint, CATALOGUE)


def shown_default(cell):
    """The value of a cell: TOML in code font, or a word."""
    if not re.fullmatch(r"`[^`]+`", cell):
        return cell
    return tomllib.loads(f"value = {cell.strip('`')}")["value"]


@pytest.mark.parametrize("title", TABLES)
def test_every_key_is_listed_with_its_default(title):
    if title.startswith("key of"):
        table = section("recipes/README.md", "`[[phases]]`").partition(f"| {title} |")[2]
        body = f"| {title} |{table}"
    else:
        body = section("recipes/README.md", title).partition("| key of")[0]
    fields = options(TABLES[title])
    shown = dict(documented(body, 3))
    assert list(shown) == list(fields)
    for name, (field, hint) in fields.items():
        cell = shown_default(shown[name])
        if cell in ("see below", "`runs/` and the recipe's name"):
            continue  # a table of its own, or the name of the file
        assert cell == default(field, hint), name


def test_only_tables_and_the_output_have_no_value_as_their_default():
    cells = dict(documented(section("recipes/README.md", "The top level"), 3))
    assert [key for key, cell in cells.items() if cell == "see below"] == ["cache", "transforms"]
    assert cells["output"] == "`runs/` and the recipe's name"


@pytest.mark.parametrize("hook", SECTIONS)
def test_every_kind_and_option_is_listed_with_its_default(hook):
    shown = {}
    for kind, option, cell in documented(section("recipes/README.md", SECTIONS[hook]), 4):
        shown.setdefault(kind, {}).update({option: shown_default(cell)} if option else {})
    wanted = {
        offer.kind: {name: default(*each) for name, each in options(offer.component).items()}
        for offer in CATALOGUE.of(hook).values()
    }
    assert shown == wanted


def test_every_hook_that_a_recipe_can_name_has_its_section():
    marks = {kind_of(hint) for cls in TABLES.values() for _, hint in options(cls).values()}
    hooks = {mark.hook for mark in marks if isinstance(mark, Kind)}
    assert hooks - {"tlf_extensions", "tlf_transforms"} == SECTIONS.keys()


@pytest.mark.parametrize("hook", SECTIONS)
def test_the_readme_lists_every_kind(hook):
    first = SECTIONS[hook].strip("`[]")
    (cells,) = [cells for cells in rows(section("README.md", "A recipe"))
                if re.search(rf"\b{first}(\.augment)?`$", cells[0])]  # fmt: skip
    assert set(re.findall(r"`(.+?)`", cells[1])) == CATALOGUE.of(hook).keys()


@pytest.mark.parametrize("name", ["task", "precision", "monitor"])
def test_the_choices_of_a_key_are_listed(name):
    table = rows(section("recipes/README.md", "The top level"))
    (meaning,) = [cells[2] for cells in table if cells[0] == f"`{name}`"]
    _, hint = options(schema.Recipe)[name]
    choices = get_args(get_args(hint)[0]) or get_args(hint)  # a monitor may be another text, too
    assert [choice for choice in choices if f"`{choice}`" not in meaning] == []


# Examples


def blocks(document, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text(document), re.MULTILINE | re.DOTALL)


def test_the_recipe_of_the_readme_is_one():
    (block,) = blocks("README.md", "toml")
    recipe = resolve(tomllib.loads(block), CATALOGUE)
    assert [phase.name for phase in recipe.phases] == ["head", "all"]


def test_the_commands_of_the_readme_come_in_their_order():
    first, second, *_ = blocks("README.md", "sh")
    assert first.strip().endswith("accelerate launch -m tlf recipes/resnet18_finetune.toml")
    assert re.match(r"python3 -m venv .venv && .*\[test\]", second)
    assert (ROOT / ".ci" / "run").read_text().count("README.md)") == 1


def test_every_document_of_python_is_python():
    for path in EVERY:
        for block in re.findall(r"^```python\n(.*?)^```$", path.read_text(), re.M | re.S):
            ast.parse(block)


def test_every_block_of_python_has_its_test():
    """Below, in test_documents.py (plugins), in end_to_end/test_api.py and test_app.py, in
    exports/preprocessing, inference/test_train_images.py, and in studies/test_probe.py.
    """
    counts = {name: len(blocks(name, "python")) for name in DOCUMENTS}
    hooks = len(re.findall(r"^### `tlf_", text("plugins/README.md"), re.MULTILINE))
    assert {name: count for name, count in counts.items() if count} == {
        "README.md": 1,
        "plugins/BACKBONES.md": 2,
        "plugins/README.md": hooks + 1,
        "recipes/README.md": 1,
        "tlf/API.md": 3,
        "tlf/checks/README.md": 1,
        "tlf/data/ranges/README.md": 1,
        "tlf/exports/README.md": 1,
        "tlf/inference/README.md": 4,
        "tlf/inference/UNSURE.md": 3,
        "tlf/studies/README.md": 1,
    }


@pytest.mark.parametrize("document", ["README.md", "tlf/inference/README.md"])
def test_the_lines_that_load_a_run_run(document, finished, images, tmp_path, monkeypatch, capsys):
    (block,) = [block for block in blocks(document, "python") if "load_classifier" in block]
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine").symlink_to(finished)
    image = next((images / "val" / "circles").iterdir())
    (tmp_path / "image.jpg").write_bytes(image.read_bytes())
    monkeypatch.chdir(tmp_path)
    known = tlf.load_classifier(finished)
    names = {"backbone": known.model.backbone}
    exec(compile(block, document, "exec"), names)
    label = known.predict(image).label
    assert capsys.readouterr().out.startswith(f"{label} ")
    assert names["classifier"].predict("image.jpg").label == label


def test_the_lines_that_name_several_labels_run(capsys):
    import torch

    (block,) = [b for b in blocks("tlf/inference/README.md", "python") if "sigmoid" in b]
    about = {"classes": ["ant", "bee", "fly"], "calibrated": {"thresholds": [0.6, 0.5, 0.2]}}
    names = {"logits": torch.tensor([[0.0, 1.0, -1.0]]), "about": about}
    exec(compile(block, "tlf/inference/README.md", "exec"), names)
    assert capsys.readouterr().out == "['bee', 'fly']\n"


def test_the_lines_that_train_run(recipe, images, tmp_path, monkeypatch):
    document = "tlf/API.md"
    (block,) = [
        block for block in blocks(document, "python") if "tlf.show(tlf.run(recipe))" in block
    ]
    (tmp_path / "recipes").mkdir()
    small = recipe.read_text().replace(str(tmp_path / "run"), str(tmp_path / "runs" / "a"))
    (tmp_path / "recipes" / "resnet18_finetune.toml").write_text(small)
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "images").symlink_to(images)
    image = next((images / "val" / "circles").iterdir())
    (tmp_path / "image.jpg").write_bytes(image.read_bytes())
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(block, document, "exec"), names)
    assert load_file(os.path.join(names["result"].folder, "head.safetensors"))


def test_the_lines_that_check_images_run(images, tmp_path, monkeypatch):
    (block,) = blocks("tlf/checks/README.md", "python")
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "images").symlink_to(images)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(block, "tlf/checks/README.md", "exec"), names)
    assert sorted(os.listdir(names["folder"])) == ["check.html", "fixes.csv"]


def test_the_lines_that_read_a_range_run(tmp_path):
    (block,) = blocks("tlf/data/ranges/README.md", "python")
    (tmp_path / "train-000.tar").write_bytes(bytes(40_000))
    here = block.replace("https://host/train-{000..010}.tar", f"{tmp_path}/train-{{000..000}}.tar")
    names = {}
    exec(compile(here, "tlf/data/ranges/README.md", "exec"), names)
    assert names["shard"].size == 40_000


def test_the_lines_that_write_shards_run(images, tmp_path, monkeypatch):
    (block,) = blocks("recipes/README.md", "python")
    shutil.copytree(images, tmp_path / "images")
    linked = next((tmp_path / "images/train/circles").iterdir())
    (linked.parent / "hard.PNG").hardlink_to(linked)
    (linked.parent / "soft.png").symlink_to(linked)
    (tmp_path / "shards").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    exec(compile(block, "recipes/README.md", "exec"), {})
    (command,) = [b for b in blocks("recipes/README.md", "bash") if b.startswith("tar ")]
    subprocess.run(command, shell=True, check=True)
    splits = Shards("shards/train-*.tar", "shards/val.tar").build()
    assert (len(splits.train), len(splits.eval)) == (22, 11)
    assert {"circles/hard.PNG", "circles/soft.png"} < {*splits.train.names}


def test_the_lines_that_change_a_recipe_run(recipe):
    (block,) = [block for block in blocks("tlf/API.md", "python") if "slower" in block]
    names = {"tlf": tlf, "recipe": tlf.load_recipe(recipe)}
    exec(compile(block, "tlf/API.md", "exec"), names)
    changed = plan_of(names["recipe"]).recipe
    assert changed.head.hidden == (64,)
    assert [len(phase.freeze) for phase in changed.phases] == [1, 2]


def test_the_format_is_described_key_by_key(finished):
    data = (finished / "head.safetensors").read_bytes()
    about = json.loads(json.loads(header(data)[8:])["__metadata__"]["tlf"])
    table = section("tlf/inference/README.md", "The format")
    shown = [first.strip("`") for first, *_ in rows(table) if first.startswith("`")]
    assert sorted(shown) == sorted({*about, "unlike"})  # this run has stored no train images
    assert f"| `format` | {FORMAT}, or {NEWEST} where" in table


def test_every_export_format_is_listed():
    table = rows(section("tlf/inference/README.md", "Export"))
    shown = {name for first, *_ in table[1:] for name in re.findall(r"`([\w-]+)`", first)}
    assert shown == {*FORMATS}

"""The JSON Schema of a recipe accepts what tlf accepts, and helps an editor to write it."""

import json
import re
import subprocess
import sys
import tomllib

import pytest
import tomli_w
from jsonschema import Draft202012Validator

import tlf
from installing import installed, write_project
from places import ROOT, TESTS
from tlf.errors import PluginError, RecipeError
from tlf.plugins.loading import survey_plugins
from tlf.recipe.files import dump
from tlf.recipe.overrides import override
from tlf.recipe.plan import read_plan
from tlf.recipe.reference.json_schema import schema_of, usable_plugins

RECIPES = [*(ROOT / "recipes").glob("*.toml"), *(TESTS / "recipes").glob("*.toml")]
WRITTEN = ROOT / "recipes" / "recipe.schema.json"
MINIMAL = """
data = "starter"
backbone = { kind = "torchvision", model = "resnet18" }
[[phases]]
name = "all"
epochs = 3
lr = 1e-2
"""
PLUGIN = """
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field
from tlf.hookspecs import hookimpl


@dataclass(frozen=True)
class Span:
    '''Where it begins.'''

    start: int
    width: float = 1.0


@dataclass(frozen=True)
class Base:
    chance: Annotated[float, Field(ge=0, le=1)] = 0.5
    '''How often it happens,
    as a probability.'''


@dataclass(frozen=True, kw_only=True)
class Grey(Base):
    '''Images without ``color``.'''

    span: Span
    sizes: tuple[int, ...] = (3, 5)
    corner: tuple[int, float] = (1, 0.5)
    mode: Literal["mean", "first"] | bool = "mean"
    shares: Mapping[str, float] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    listed: Annotated[list[Span], Field(max_length=2)] = field(default_factory=list)
    anything: Any = None
    like: "Grey | None" = None

    def __post_init__(self):
        pass

    def augment(self, image, size):
        return image


@dataclass(frozen=True)
class Plain:
    def tlf_epoch_ended(self, result):
        pass

    tlf_epoch_ended = hookimpl(tlf_epoch_ended)


@hookimpl
def tlf_augmentations():
    return {"grey": Grey}


@hookimpl
def tlf_extensions():
    return {"plain": Plain}
"""


@pytest.fixture(scope="module", autouse=True)
def _plugins(tmp_path_factory):
    """What the recipes name is installed, and one more."""
    folder = tmp_path_factory.mktemp("plugins")
    grain = write_project(folder / "tlf-grain", "grain", PLUGIN)
    site = tmp_path_factory.mktemp("site")
    own = [ROOT / "plugins" / name for name in ("tlf-formula", "tlf-efficientnet-lite")]
    with installed(site, *own, TESTS / "tlf-mobilenet", grain):
        yield


@pytest.fixture(scope="module")
def schema(_plugins):
    return tlf.recipe_schema()


@pytest.fixture(scope="module")
def check(schema):
    """Whether the schema accepts a table."""
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema).is_valid


@pytest.fixture
def loads(tmp_path):
    """Whether ``load_recipe`` accepts a table."""

    def loads(table):
        path = tmp_path / "recipe.toml"
        path.write_text(tomli_w.dumps(table), encoding="utf-8")
        try:
            tlf.load_recipe(path)
        except (RecipeError, PluginError):
            return False
        return True

    return loads


def changed(*overrides):
    table, problems = override(tomllib.loads(MINIMAL), overrides)
    assert not problems
    return table


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_recipe_and_what_it_resolves_to_is_accepted(path, schema):
    validator = Draft202012Validator(schema)
    validator.validate(tomllib.loads(path.read_text(encoding="utf-8")))
    plan = read_plan(path)
    validator.validate(tomllib.loads(dump(plan.recipe, plan.plugins.catalogue)))


@pytest.mark.parametrize(
    "change",
    [
        "seed=7",
        "output=runs/here",
        "workers=auto",
        "workers=0",
        "clip_grad_norm=1",
        "compile=true",
        "plugins=['grain']",
        "extensions=grain:plain",
        "extensions=['grain:plain']",
        "extensions=[]",
        "checkpoint_every={seconds=5}",
        "checkpoint_every.updates=5",
        "cache={mode='off', max_gb=0.5, dir='here', views=3}",
        "data={kind='folder', root='images', bad_images='skip'}",
        "data={kind='starter', bad_images='skip'}",
        "data={kind='formula:images', classes=3}",
        "transforms.augment=crop-flip",
        "transforms.augment=['crop-flip', {kind='mixup', alpha=1}]",
        "transforms.augment=[]",
        "transforms.augment={kind='crop-flip', scale=[0.5, 1]}",
        "transforms={size=32, resize=32}",
        "head=linear",
        "head={dropout=0.1}",
        "head={}",
        "head={kind='mlp', hidden=[64, 32]}",
        "loss=focal",
        "optimizer={momentum=0.5}",
        "optimizer={kind='adamw', betas=[0.9, 0.99]}",
        "phases.0.lr={head=1, backbone=0.1, 'stages.2'=0.01}",
        "phases.0.freeze=backbone",
        "phases.0.freeze=['norms', {kind='up-to', stage='layer2'}]",
        "phases.0.scheduler={kind='cosine', warmup=0.1}",
        "phases.0.scheduler={}",
        "phases.0.optimizer=adam",
        "phases.0.early_stopping={patience=2, min_delta=0.1}",
        "phases.0.augment=[]",
        "phases.0.ema=0.9",
        "phases.0.layer_decay=1",
        "transforms.augment={kind='grain:grey', span={start=1}}",
        "transforms.augment={kind='grain:grey', span={start=1}, chance=1, sizes=[], corner=[1, 2]}",
        "transforms.augment={kind='grain:grey', span={start=1}, mode=false, shares={a=1, b=0.5}}",
        "transforms.augment={kind='grain:grey', span={start=1}, spans=[{start=2, width=3}]}",
        "transforms.augment={kind='grain:grey', span={start=1}, listed=[{start=2}]}",
        "transforms.augment={kind='grain:grey', span={start=1}, anything=[1, {a='b'}]}",
        "transforms.augment={kind='grain:grey', span={start=1}, like={span={start=2}}}",
    ],
)
def test_what_tlf_accepts_is_accepted(change, check, loads):
    assert check(changed(change))
    assert loads(changed(change))


@pytest.mark.parametrize(
    "change",
    [
        # unknown keys
        "sede=7",
        "cache.size=3",
        "data.root=here",
        "transforms.scale=2",
        "checkpoint_every={seconds=5, epochs=1}",
        "phases.0.rate=1",
        "phases.0.early_stopping={patience=2, after=1}",
        # wrong types
        "seed='7'",
        "seed=true",
        "batch_size=1.5",
        "compile=1",
        "output=3",
        "workers=many",
        "workers=1.5",
        "plugins=grain",
        "plugins=[1]",
        "data=3",
        "data=['starter']",
        "data=[]",
        "backbone=true",
        "head=1",
        "head=['linear']",
        "phases=3",
        "phases=[3]",
        "phases.0.lr=[0.1]",
        "phases.0.lr={head='high'}",
        "phases.0.freeze=1",
        "phases.0.freeze=[1]",
        "phases.0.early_stopping=3",
        "cache=auto",
        "cache.views=1.5",
        # out of range
        "seed=-1",
        "seed=4294967296",
        "batch_size=0",
        "accumulate=0",
        "clip_grad_norm=0",
        "workers=-1",
        "output=''",
        "precision=fp8",
        "task=regression",
        "monitor=top1",
        "data.bad_images=keep",
        "cache.mode=on",
        "cache.max_gb=0",
        "transforms.size=0",
        "phases.0.epochs=0",
        "phases.0.lr=0",
        "phases.0.lr={head=1, backbone=0}",
        "phases.0.name=''",
        "phases.0.layer_decay=1.1",
        "phases.0.ema=1",
        "phases.0.early_stopping={patience=0}",
        "phases.0.early_stopping={patience=1, min_delta=-1}",
        # unknown kinds
        "data.kind=nowhere",
        "data={kind='linear'}",
        "backbone=resnet18",
        "head=liner",
        "head={kind='liner'}",
        "loss={kind=3}",
        "transforms.augment=[{kind='crop'}]",
        "phases.0.scheduler=cosin",
        "phases.0.optimizer=lion9",
        "head=grain:none",
        "head=absent:head",
        "plugins=['absent']",
        "extensions=plain",
        # options: of another kind, without a kind, of a wrong type, missing
        "head={kind='linear', hidden=[64]}",
        "head={hidden=[64]}",
        "optimizer={kind='adamw', momentum=0.9}",
        "optimizer={betas=[0.9, 0.99]}",
        "phases.0.optimizer={momentum=0.5}",
        "phases.0.freeze={stage='layer2'}",
        "phases.0.freeze={}",
        "phases.0.freeze=up-to",
        "phases.0.freeze={kind='up-to'}",
        "transforms.augment={kind='mixup', scale=[0.5, 1]}",
        "transforms.augment={kind='crop-flip', scale=[0.5]}",
        "transforms.augment={kind='crop-flip', scale=[0.5, 0.6, 0.7]}",
        "loss={kind='focal', gamma='2'}",
        "loss={kind='focal', class_weights='all'}",
        "data=folder",
        "data={bad_images='skip'}",
        # what code checks
        "checkpoint_every={}",
        "checkpoint_every={seconds=5, updates=5}",
        "phases=[]",
        "phases.0.lr={backbone=0.1}",
        # a plugin's
        "transforms.augment=grain:grey",
        "transforms.augment={kind='grain:grey'}",
        "transforms.augment={kind='grain:grey', span={}}",
        "transforms.augment={kind='grain:grey', span={start=1, end=2}}",
        "transforms.augment={kind='grain:grey', span={start=1}, chance=2}",
        "transforms.augment={kind='grain:grey', span={start=1}, sizes=[0.5]}",
        "transforms.augment={kind='grain:grey', span={start=1}, corner=[1]}",
        "transforms.augment={kind='grain:grey', span={start=1}, mode='last'}",
        "transforms.augment={kind='grain:grey', span={start=1}, shares={a='b'}}",
        "transforms.augment={kind='grain:grey', span={start=1}, spans=[{width=3}]}",
        "transforms.augment={kind='grain:grey', span={start=1}, listed=[{width=2}]}",
        "transforms.augment={kind='grain:grey', span={start=1}, listed=3}",
        "extensions={kind='grain:plain', often=true}",
    ],
)
def test_what_tlf_refuses_is_refused(change, check, loads):
    assert not check(changed(change))
    assert not loads(changed(change))


@pytest.mark.parametrize("missing", ["data", "backbone", "phases"])
def test_what_has_to_be_there_has_to_be_there(missing, check, loads):
    table = changed()
    assert check(table)
    assert loads(table)
    del table[missing]
    assert not check(table)
    assert not loads(table)


@pytest.mark.parametrize("missing", ["name", "epochs", "lr"])
def test_what_a_phase_needs_has_to_be_there(missing, check, loads):
    table = changed()
    del table["phases"][0][missing]
    assert not check(table)
    assert not loads(table)


def choices(part):
    """Kind → the table of a component's options."""
    tables = [one for one in part.get("oneOf", ()) if "properties" in one]
    return {one["properties"]["kind"]["const"]: one for one in tables}


def test_a_plugins_options_come_with_their_texts_and_defaults(schema):
    grey = choices(schema["$defs"]["augmentations"])["grain:grey"]["properties"]
    assert grey["kind"]["description"] == "Images without `color`."
    assert grey["chance"] == {
        "description": "How often it happens, as a probability.",
        "default": 0.5,
        "maximum": 1,
        "minimum": 0,
        "type": "number",
    }
    assert grey["sizes"]["default"] == [3, 5]
    assert grey["mode"]["anyOf"][0]["enum"] == ["mean", "first"]
    assert grey["span"]["description"] == "Where it begins."
    assert "default" not in grey["span"]
    assert schema["properties"]["plugins"]["items"]["enum"] == [
        "efficientnet-lite", "formula", "grain", "mobilenet",
    ]  # fmt: skip


def test_every_component_that_is_offered_can_be_completed(schema):
    parts = {**schema["$defs"], "datasets": schema["properties"]["data"]}
    names = {f"tlf_{name}": {*choices(part)} for name, part in parts.items()}
    for one in survey_plugins():
        for offer in one.offers:
            assert offer.kind in names[offer.hook]
            names[offer.hook].remove(offer.kind)
    assert not any(names.values())


def test_every_key_and_kind_of_tlf_has_a_text_to_hover_over():
    schema = schema_of(survey_plugins()[:1])

    def silent(part, path):
        if isinstance(part, list):
            for number, item in enumerate(part):
                yield from silent(item, f"{path}/{number}")
        if isinstance(part, dict):
            for name, one in part.get("properties", {}).items():
                if not one.get("description"):
                    yield f"{path}.{name}"
            for name, one in part.items():
                yield from silent(one, f"{path}/{name}")

    assert [*silent(schema, "")] == []


def test_defaults_are_those_of_the_recipe(schema):
    table = tomllib.loads(MINIMAL)
    own = tlf.Recipe.__dataclass_fields__
    for name in ("seed", "batch_size", "workers", "precision", "monitor", "task", "accumulate"):
        assert schema["properties"][name]["default"] == own[name].default
    for name in ("head", "loss", "optimizer", "checkpoint_every"):
        table[name] = schema["properties"][name]["default"]
    phase = schema["properties"]["phases"]["items"]["properties"]
    table["phases"][0] |= {name: phase[name]["default"] for name in ("freeze", "scheduler")}
    assert Draft202012Validator(schema).is_valid(table)


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("boom", "raise RuntimeError('boom')", "plugin 'boom' .*cannot be imported.*boom"),
        (
            "lost",
            PLUGIN.replace("class Plain:", "class Plain:\n    at: 'Absent' = 0"),
            "plugin 'lost' .*'plain': the types of its options cannot be read",
        ),
        (
            "lazy",
            PLUGIN.replace("default_factory=dict", "default_factory=lambda: 1 / 0"),
            "plugin 'lazy' .*'lazy:grey': its options cannot be read.*division by zero",
        ),
    ],
)
def test_a_plugin_that_fails_is_left_out_and_named(name, source, message, tmp_path, schema):
    (tmp_path / "site").mkdir()
    with installed(tmp_path / "site", write_project(tmp_path / f"tlf-{name}", name, source)):
        usable, failures = usable_plugins()
    (failure,) = failures
    assert re.search(message, failure)
    assert schema_of(usable) == schema


def test_plugins_are_left_out_where_they_are_switched_off(monkeypatch):
    monkeypatch.setenv("TLF_PLUGINS", "0")
    schema = tlf.recipe_schema()
    assert "grain" not in json.dumps(schema)
    check = Draft202012Validator(schema).is_valid
    assert check(changed())
    assert check(changed("extensions=[]", "plugins=[]"))
    # Their options are not known then, so that anything may be said of them.
    assert check(changed("plugins=['grain']"))
    assert check(changed("data.kind=formula:images", "data.anything=1"))
    assert not check(changed("data.kind=formula"))


def test_the_file_beside_the_recipes_is_what_tlf_writes_today(monkeypatch):
    monkeypatch.setenv("TLF_PLUGINS", "0")
    written = json.loads(WRITTEN.read_text(encoding="utf-8"))
    assert written == tlf.recipe_schema(), (
        f"{WRITTEN.relative_to(ROOT)} is not up to date; write "
        f"TLF_PLUGINS=0 tlf schema --output {WRITTEN.relative_to(ROOT)}"
    )


def test_it_accepts_every_recipe_beside_it():
    check = Draft202012Validator(json.loads(WRITTEN.read_text(encoding="utf-8")))
    for path in (ROOT / "recipes").glob("*.toml"):
        faults = [*check.iter_errors(tomllib.loads(path.read_text(encoding="utf-8")))]
        assert faults == []


def test_neither_torch_nor_what_reads_shards_is_imported():
    heavy = ["torch", "tarfile", "tlf.builtin.shards.find"]
    code = f"import sys, tlf; tlf.recipe_schema(); print(any(map(sys.modules.get, {heavy})))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "False\n"


def test_without_plugins_any_kind_of_any_plugin_is_accepted(monkeypatch):
    """The file beside the recipes knows no plugin, and a recipe may still name one."""
    monkeypatch.setenv("TLF_PLUGINS", "0")
    validator = Draft202012Validator(schema_of(usable_plugins()[0]))
    content = tomllib.loads((ROOT / "recipes" / "resnet18_finetune.toml").read_text())
    for head in ("gem:pooled", {"kind": "gem:pooled", "power": 3}):
        validator.validate(content | {"head": head})
    for head in ("gem", {"kind": "linear", "power": 3}):
        assert not validator.is_valid(content | {"head": head})

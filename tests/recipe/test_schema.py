"""The recipe: what it accepts, what it says about mistakes, overrides, and the way back to TOML."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import pytest

from tlf.components import Catalogue, Offer, Plugin
from tlf.errors import PluginError, RecipeError
from tlf.recipe.files import dump, named_plugins, read_table, resolve
from tlf.recipe.overrides import override
from tlf.recipe.schema import EarlyStopping, Recipe


@dataclass(frozen=True)
class Folder:
    root: str
    split: tuple[float, float] = (0.8, 0.2)


@dataclass(frozen=True)
class Starter: ...


@dataclass(frozen=True)
class Crop:
    scale: float = 0.5


@dataclass(frozen=True)
class Mixup:
    alpha: float = 0.2


@dataclass(frozen=True)
class Vision:
    model: str = "resnet18"
    weights: str | None = None


@dataclass(frozen=True)
class Linear:
    dropout: float = 0.0
    bias: bool = True

    def __post_init__(self):
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a fraction below 1, not {self.dropout}")


@dataclass(frozen=True)
class Mlp:
    hidden: tuple[int, ...] = (64,)
    activation: Literal["relu", "gelu"] = "relu"


@dataclass(frozen=True)
class CrossEntropy:
    label_smoothing: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Named:
    """Nothing, norms, constant."""


@dataclass(frozen=True)
class Backboned(Named): ...


@dataclass(frozen=True)
class Norms(Named): ...


@dataclass(frozen=True)
class Constant: ...


@dataclass(frozen=True)
class UpTo:
    stage: str


@dataclass(frozen=True)
class Sgd:
    momentum: float = 0.9
    nesterov: bool = False


@dataclass(frozen=True)
class Cosine:
    warmup: float = 0.0
    cycles: int = 1


OWN, GEM = Plugin("tlf", "tlf", "0.1.0"), Plugin("gem", "tlf-gem", "2.0")
KINDS = {
    "tlf_datasets": {"starter": Starter, "folder": Folder},
    "tlf_augmentations": {"crop-flip": Crop, "mixup": Mixup},
    "tlf_backbones": {"torchvision": Vision},
    "tlf_heads": {"linear": Linear},
    "tlf_losses": {"cross-entropy": CrossEntropy},
    "tlf_freeze_policies": {
        "nothing": Named,
        "backbone": Backboned,
        "norms": Norms,
        "up-to": UpTo,
    },
    "tlf_optimizers": {"sgd": Sgd},
    "tlf_schedulers": {"constant": Constant, "cosine": Cosine},
}
CATALOGUE = Catalogue(
    (
        *(Offer(hook, kind, cls, OWN) for hook, cs in KINDS.items() for kind, cls in cs.items()),
        Offer("tlf_heads", "gem:mlp", Mlp, GEM),
    )
)

MINIMAL = """
data = "starter"
backbone = "torchvision"
[[phases]]
name = "head"
epochs = 3
lr = 1e-2
"""
FULL = """
seed       = 3
precision  = "bf16"
batch_size = 64
accumulate = 2
clip_grad_norm = 1
workers    = 4
monitor    = "eval_loss"
output     = "runs/full"
plugins    = ["wandb"]
loss       = { kind = "cross-entropy", label_smoothing = 0.1, weights = { ant = 2, "b.e" = 0.5 } }
[data]
kind = "folder"
root = "my/images"
split = [0.5, 0.5]
bad_images = "skip"
[transforms]
augment = ["crop-flip", { kind = "mixup", alpha = 1 }]
size = 96
resize = 112
[backbone]
kind = "torchvision"
weights = "starter"
[head]
kind = "gem:mlp"
hidden = [128, 64]
[optimizer]
kind = "sgd"
momentum = 0.5
[[phases]]
name = "head"
freeze = "backbone"
epochs = 3
lr = { head = 1e-2, backbone = 1e-3, "stages.2" = 1 }
augment = []
[[phases]]
name = "all"
freeze = ["norms", { kind = "up-to", stage = "layer2" }]
epochs = 10
lr = 1e-3
layer_decay = 0.7
scheduler = { kind = "cosine", warmup = 0.1 }
optimizer = "sgd"
early_stopping = { patience = 3 }
ema = 0.99
"""


def read(text, *overrides):
    table, problems = override(tomllib.loads(text), overrides)
    assert not problems
    return resolve(table, CATALOGUE, "recipes/flowers.toml")


def problems(text, *overrides):
    with pytest.raises(RecipeError) as caught:
        read(text, *overrides)
    return caught.value.problems


def test_defaults():
    recipe = read(MINIMAL)
    assert recipe.output == "runs/flowers"
    assert (recipe.head, recipe.loss, recipe.optimizer) == (Linear(), CrossEntropy(), Sgd())
    assert (recipe.data.dataset, recipe.data.bad_images) == (Starter(), "error")
    assert (recipe.transforms.augment, recipe.transforms.size) == ((), None)
    (phase,) = recipe.phases
    assert (phase.freeze, phase.scheduler, phase.optimizer) == ((Named(),), Constant(), None)
    assert (recipe.seed, recipe.batch_size, recipe.workers) == (0, 32, "auto")


def test_everything_written_out():
    recipe = read(FULL)
    assert recipe.data.dataset == Folder("my/images", (0.5, 0.5))
    assert recipe.data.bad_images == "skip"
    assert recipe.transforms.augment == (Crop(), Mixup(1.0))
    assert recipe.head == Mlp((128, 64))
    assert recipe.loss.weights == {"ant": 2.0, "b.e": 0.5}
    head, everything = recipe.phases
    assert head.lr == {"head": 1e-2, "backbone": 1e-3, "stages.2": 1.0}
    assert (head.augment, everything.augment) == ((), None)
    assert everything.freeze == (Norms(), UpTo("layer2"))
    assert everything.early_stopping == EarlyStopping(patience=3)
    assert everything.optimizer == Sgd()


def test_components_are_the_very_classes_that_were_offered():
    assert type(read(FULL).head) is Mlp
    assert CATALOGUE.offer(read(FULL).head).plugin is GEM


def test_whole_numbers_become_floats_where_floats_are_meant():
    assert isinstance(read(MINIMAL, "phases.0.lr=1").phases[0].lr, float)
    assert isinstance(read(FULL).transforms.augment[1].alpha, float)


@pytest.mark.parametrize("text", [MINIMAL, FULL])
def test_dump_resolves_to_the_same_recipe(text):
    recipe = read(text)
    written = dump(recipe, CATALOGUE)
    again = resolve(tomllib.loads(written), CATALOGUE, "elsewhere.toml")
    assert again == recipe
    assert dump(again, CATALOGUE) == written


def test_dump_writes_every_default_in_the_order_of_the_data_flow():
    written = dump(read(MINIMAL), CATALOGUE)
    table = tomllib.loads(written)
    absent = {"clip_grad_norm"}  # None: TOML cannot say it
    assert list(table) == [item.name for item in fields(Recipe) if item.name not in absent]
    assert table["head"] == {"kind": "linear", "dropout": 0.0, "bias": True}
    assert table["data"] == {"kind": "starter", "bad_images": "error"}
    assert table["phases"][0]["scheduler"] == "constant"
    assert "[head]" in written.splitlines()
    assert tomllib.loads(dump(read(FULL), CATALOGUE))["head"]["kind"] == "gem:mlp"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("sed=1", "sed: unknown key; did you mean 'seed'? Known: "),
        ("seed=-1", "seed: must be at least 0, got -1 (a whole number)"),
        ("seed=4294967296", "seed: must be at most 4294967295, got 4294967296 (a whole number)"),
        ('seed="3"', 'seed: must be a whole number, got "3" (a string)'),
        ("seed=true", "seed: must be a whole number, got true (a boolean)"),
        ("seed=1.0", "seed: must be a whole number, got 1.0 (a decimal number)"),
        ("seed=[1]", "seed: must be a whole number, got a list"),
        ("batch_size=0", "batch_size: must be at least 1, got 0 (a whole number)"),
        ("accumulate=33", "accumulate: must be at most batch_size, 32, got 33"),
        ("clip_grad_norm=0", "clip_grad_norm: must be above 0, got 0 (a whole number)"),
        ("clip_grad_norm=nan", "clip_grad_norm: must be a finite number, got nan"),
        ("workers=many", 'workers: must be a whole number or "auto", got "many" (a string)'),
        ("workers=-1", "workers: must be at least 0, got -1 (a whole number)"),
        (
            "precision=bf61",
            "precision: must be one of the choices, got \"bf61\"; did you mean 'bf16'? "
            "Known: auto, bf16, fp16, no",
        ),
        ("precision=16", 'precision: must be one of "auto", "no", "fp16", "bf16", got 16'),
        (
            "monitor=top1",
            "monitor: must be one of the choices, got \"top1\"; did you mean 'eval_top1'?",
        ),
        ("output=''", 'output: must have at least 1 character, got "" (a string)'),
        ("output=2024-05-01", "output: must be a string, got 2024-05-01 (a date or time; quotes"),
        ("plugins=wandb", 'plugins: must be a list of strings, got "wandb" (a string)'),
        ("plugins=[1]", "plugins.0: must be a string, got 1 (a whole number)"),
        (
            "head.dropuot=0.5",
            "head.dropuot: unknown option of 'linear' (tlf 0.1.0); "
            "did you mean 'dropout'? Known: bias, dropout",
        ),
        ("head.dropout=1.5", "head: dropout is a fraction below 1, not 1.5"),
        ("head.bias=1", "head.bias: must be true or false, got 1 (a whole number)"),
        (
            "head.kind=lineer",
            "head.kind: no head is called 'lineer'; did you mean 'linear'? Known: gem:mlp, linear",
        ),
        ("head=lineer", "head: no head is called 'lineer'; did you mean 'linear'?"),
        ("head=3", "head: must be a kind in quotes or a table with kind and options, got 3"),
        ("head.kind=3", "head.kind: must be a kind in quotes, got 3 (a whole number)"),
        (
            "head=gem:mpl",
            "head: plugin 'gem' (tlf-gem 2.0) offers no head 'mpl'; "
            "did you mean 'gem:mlp'? Known: gem:mlp, linear",
        ),
        ("head=jam:mlp", "head: no head is called 'jam:mlp', and no plugin 'jam' is loaded; "),
        ("data=folder", "data.root: missing; 'folder' (tlf 0.1.0) needs a string"),
        ("data.kind=foldr", "data.kind: no dataset is called 'foldr'; did you mean 'folder'?"),
        ("data.bad_image=skip", "data.bad_image: unknown option of 'starter' (tlf 0.1.0); did you"),
        (
            "data.root=my/images",
            "data.root: unknown option of 'starter' (tlf 0.1.0); Known: bad_images; "
            "it is an option of 'folder'",
        ),
        (
            "data.bad_images=keep",
            'data.bad_images: must be one of the choices, got "keep"; Known: error, sk',
        ),
        ("data={kind='folder', root='x', split=[1]}", "data.split: must be a list of 2 numbers"),
        ("data={kind='folder', root='x', split=[1, 'y']}", "data.split.1: must be a number, got"),
        ("loss.weights={a=1, b='x'}", 'loss.weights.b: must be a number, got "x" (a string)'),
        ("transforms=3", "transforms: must be a table, got 3 (a whole number)"),
        ("transforms.augment=crop", "transforms.augment: no augmentation is called 'crop'; did"),
        ("transforms.augment=[1]", "transforms.augment.0: must be a kind in quotes or a table"),
        (
            "transforms={size=64, resize=32}",
            "transforms.resize: must be at least the size of the crop, 64, got 32",
        ),
        ("phases=[]", "phases: must not be empty; write at least one [[phases]] table"),
        ("phases={name='a'}", "phases: must be a list of [[tables]], got a table"),
        ("phases.0.lr=0", "phases.0.lr: must be above 0, got 0 (a whole number)"),
        ("phases.0.lr=fast", "phases.0.lr: must be a number or a table of numbers, got"),
        ("phases.0.lr={head=0}", "phases.0.lr.head: must be above 0, got 0"),
        (
            "phases.0.lr={backbone=1}",
            "phases.0.lr: a table must have a learning rate for head; write head = …",
        ),
        ("phases.0.layer_decay=1.5", "phases.0.layer_decay: must be at most 1, got 1.5"),
        ("phases.0.ema=1", "phases.0.ema: must be below 1, got 1 (a whole number)"),
        ("phases.0.epochs=1.5", "phases.0.epochs: must be a whole number, got 1.5"),
        (
            "phases.0.freeze=up-to",
            "phases.0.freeze.stage: missing; 'up-to' (tlf 0.1.0) needs a string",
        ),
        (
            "phases.0.freeze={stage='layer2'}",
            "phases.0.freeze.kind: missing; must be one of: backbone, norms, nothing, up-to",
        ),
        (
            "phases.0.scheduler={warmup=1}",
            "phases.0.scheduler.warmup: unknown option of 'constant' (tlf 0.1.0); it has none",
        ),
        ("phases.0.freeze=['norm']", "phases.0.freeze.0: no freeze policy is called 'norm'; did"),
        (
            "phases.0.scheduler={kind='cosine', warmpu=1}",
            "phases.0.scheduler.warmpu: unknown option of 'cosine' (tlf 0.1.0); did you mean 'war",
        ),
        ("phases.0.optimizer.momentum=0", "phases.0.optimizer.kind: missing; must be one of: sgd"),
        (
            "phases.0.early_stopping={}",
            "phases.0.early_stopping.patience: missing; tlf needs a whole",
        ),
        ("phases.0.early_stopping=3", "phases.0.early_stopping: must be a table, got 3 (a whole"),
    ],
)
def test_each_mistake_is_one_line(change, told):
    found = problems(MINIMAL, change)
    assert len(found) == 1
    assert found[0].startswith(told)
    assert "\n" not in found[0]


def test_an_empty_recipe_lacks_three_things():
    assert problems("") == (
        "data: missing; its kind must be one of: folder, starter",
        "backbone: missing; its kind must be one of: torchvision",
        "phases: missing; tlf needs a list of [[tables]]",
    )


def test_all_mistakes_come_at_once():
    text = """
    seeed = 1
    batch_size = "32"
    data = "folder"
    backbone = "torchvison"
    [head]
    kind = "linear"
    dropuot = 0.1
    bias = 0
    [[phases]]
    name = "a"
    lr = -1
    [[phases]]
    name = "a"
    epochs = 1
    lr = 1
    freeze = ["nothing", "norm"]
    """
    found = problems(text)
    assert [problem.split(":")[0] for problem in found] == [
        "seeed",
        "batch_size",
        "data.root",
        "backbone",
        "head.dropuot",
        "head.bias",
        "phases.0.epochs",
        "phases.0.lr",
        "phases.1.freeze.1",
        "phases.1.name",
    ]
    assert found[-1] == "phases.1.name: must be unique, got 'a', the name of phases.0"


def test_the_error_names_its_source_and_counts():
    with pytest.raises(RecipeError, match=r"^recipes/x.toml: 3 problems\n  data: missing"):
        resolve({}, CATALOGUE, "recipes/x.toml")


def test_a_component_that_breaks_is_blamed_by_name():
    @dataclass(frozen=True)
    class Fragile:
        def __post_init__(self):
            raise KeyError("x")

    catalogue = Catalogue((*CATALOGUE.offers, Offer("tlf_heads", "gem:fragile", Fragile, GEM)))
    told = (
        r"^head: 'gem:fragile' \(tlf-gem 2.0\) cannot be built: KeyError: 'x' "
        r"\(test_schema.py, line \d+\)$"
    )
    with pytest.raises(PluginError, match=told):
        resolve(tomllib.loads(MINIMAL) | {"head": "gem:fragile"}, catalogue)


def test_an_option_of_a_type_that_toml_lacks_is_blamed_on_its_plugin():
    @dataclass(frozen=True)
    class Odd:
        thing: memoryview | None = None

    catalogue = Catalogue((*CATALOGUE.offers, Offer("tlf_heads", "gem:odd", Odd, GEM)))
    table = tomllib.loads(MINIMAL) | {"head": {"kind": "gem:odd", "thing": 1}}
    with pytest.raises(
        RecipeError, match=r"head.thing: its type memoryview cannot be written in TOML"
    ):
        resolve(table, catalogue)


def test_plugins_that_a_recipe_needs():
    table = tomllib.loads(FULL) | {"data": "pics:web", "loss": {"kind": "gem:focal"}}
    table["phases"][0]["freeze"] = ["a:b", {"kind": "c:d"}]
    table["phases"][1] |= {"scheduler": "e:f", "optimizer": {"kind": "g:h"}, "augment": "i:j"}
    assert named_plugins(table) == ("wandb", "pics", "gem", "a", "c", "e", "g", "i")


@pytest.mark.parametrize(
    "table",
    [{}, {"plugins": 3, "phases": 3, "head": 3}, {"phases": [3], "transforms": []}, {"head": ":x"}],
)
def test_naming_plugins_leaves_mistakes_to_validation(table):
    assert named_plugins(table) == ()


# Overrides


def changed(text, *arguments):
    table, found = override(tomllib.loads(text), arguments)
    assert not found
    return table


def test_overriding_values():
    table = changed(
        FULL,
        "seed=7",
        "data.root=other/images",
        "phases.1.epochs=5",
        'phases.head.lr."stages.2"=0.5',
        "transforms.augment.1.alpha=0.4",
        "phases.1.freeze.0=nothing",
        "data.split=[0.9, 0.1]",
    )
    assert table["seed"] == 7
    assert table["data"]["root"] == "other/images"
    assert table["phases"][1]["epochs"] == 5
    assert table["phases"][0]["lr"]["stages.2"] == 0.5
    assert table["transforms"]["augment"][1]["alpha"] == 0.4
    assert table["phases"][1]["freeze"][0] == "nothing"
    assert table["data"]["split"] == [0.9, 0.1]


def test_overriding_leaves_the_table_that_was_given_alone():
    table = tomllib.loads(FULL)
    override(table, ["phases.0.epochs=9", "head.kind=linear"])
    assert table == tomllib.loads(FULL)


def test_a_changed_kind_drops_the_options_of_the_old_one_but_not_the_engines():
    assert changed(FULL, "data.kind=starter")["data"] == {"kind": "starter", "bad_images": "skip"}
    assert changed(FULL, "head.kind=gem:mlp")["head"] == tomllib.loads(FULL)["head"]


@pytest.mark.parametrize("arguments", [["head.kind=linear", "head.dropout=0.5"], ["head=linear"]])
def test_the_order_of_arguments_drops_nothing_that_was_asked_for(arguments):
    arguments = [*arguments, "head.bias=false"]
    assert changed(FULL, *arguments) == changed(FULL, *reversed(arguments))
    assert changed(FULL, *reversed(arguments))["head"]["bias"] is False


def test_a_kind_alone_becomes_a_table():
    assert changed(MINIMAL, "data.bad_images=skip")["data"] == {
        "kind": "starter",
        "bad_images": "skip",
    }
    assert read(MINIMAL, "head.dropout=0.5").head == Linear(0.5)  # the default's kind


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("seed", "seed: must be an override, key=value; write phases.0.lr=0.01, for example"),
        ("=3", "=3: the key must be names with dots between them, got ''"),
        ("a..b=3", "a..b=3: the key must be names with dots between them, got 'a..b'"),
        ("a\nb=3", "a\nb=3: the key must be names with dots between them, got 'a\\nb'"),
        ("data.root=", "data.root=: must have a value; for an empty string write data.root='\"\"'"),
        ("seed=[1,", "seed=[1,: the value must be TOML: "),
        ("phases.2.lr=1", "phases.2.lr=1: phases has 2 items, counted from 0, but no 2"),
        ("phases.al.lr=1", "phases.al.lr=1: phases has 2 items, counted from 0, but no al; d"),
        ("plugins.1=x", "plugins.1=x: plugins has 1 item, counted from 0, but no 1"),
        ("seed.x=1", "seed.x=1: seed must be a table or a list, got 3 (a whole number)"),
    ],
)
def test_overrides_that_cannot_be_applied(argument, told):
    _, found = override(tomllib.loads(FULL), [argument])
    assert len(found) == 1
    assert found[0].startswith(told)


def test_wrong_overrides_are_all_told_at_once(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text(FULL)
    with pytest.raises(RecipeError) as caught:
        read_table(file, ["seed", "phases.9.lr=1", "seed=1"])
    assert len(caught.value.problems) == 2


# Files


def test_reading_a_file(tmp_path):
    file = tmp_path / "x.toml"
    file.write_bytes(b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode())
    assert read_table(file) == tomllib.loads(FULL)


def unread(path):
    with pytest.raises(RecipeError) as caught:
        read_table(path)
    assert caught.value.source == str(path)
    (problem,) = caught.value.problems
    return problem


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "flowers.toml").write_text(MINIMAL)
    assert unread(tmp_path / "flower.toml") == (
        "no such file; write the path of a recipe, a file that ends in .toml; "
        "did you mean 'flowers.toml'? Known: flowers.toml"
    )
    assert unread(Path(tmp_path, "no", "x.toml")).endswith("a file that ends in .toml")
    (tmp_path / "pyproject.toml").write_text("")  # is none
    assert unread(tmp_path) == (
        "must be a file, got a folder; write the path of a recipe, such as "
        f"{tmp_path}/flowers.toml; Known: flowers.toml"
    )
    (tmp_path / "empty").mkdir()
    assert unread(tmp_path / "empty").endswith("such as " + str(tmp_path / "empty/my_recipe.toml"))
    latin = tmp_path / "latin.toml"
    latin.write_bytes('output = "\xe4"'.encode("latin-1"))
    assert unread(latin) == "must be UTF-8, byte 10 is not; save the file as UTF-8 text"


def test_what_is_not_toml_is_told_with_line_and_column(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text("seed = 0\nbatch_size 32\n")
    assert unread(file).startswith("line 2, column 12: Expected '=' after a key")
    assert unread(file).endswith("in: batch_size 32")
    file.write_text('seed = 0\noutput = "x')
    assert unread(file).startswith("not TOML: Unterminated string")

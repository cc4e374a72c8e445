"""Every mistake in a recipe is reported at once, each in one line with its path."""

import tomllib
from dataclasses import dataclass

import pytest

from recipe_components import (
    CATALOGUE,
    GEM,
    MINIMAL,
    problems,
)
from tlf.catalogue import Catalogue, Offer
from tlf.errors import PluginError, RecipeError
from tlf.recipe.files import resolve


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sed=1", "sed: unknown key; did you mean 'seed'? Known: "),
        ("epochs=3", "epochs: unknown key; write phases.0.epochs; Known: "),
        ("root=x", "root: unknown key; write data.root; Known: "),
        ("dropout=0.1", "dropout: unknown key; write head.dropout; Known: "),
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
            "monitor: must be a figure of every run, or of metrics, got 'top1'; did you mean 'eval",
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
            "data.root: unknown option of 'starter' (tlf 0.1.0); Known: bad_images, "
            "fixes, fold, folds, group, missing_in_eval, test, unknown_in_eval, verify, white; it "
            "is an option of 'folder'",
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
def test_each_mistake_is_one_line(change, message):
    found = problems(MINIMAL, change)
    assert len(found) == 1
    assert found[0].startswith(message)
    assert "\n" not in found[0]


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
    message = (
        r"^head: 'gem:fragile' \(tlf-gem 2.0\) cannot be built: KeyError: 'x' "
        r"\(test_reader.py, line \d+\)$"
    )
    with pytest.raises(PluginError, match=message):
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


def test_a_list_of_components_has_an_end():
    table = tomllib.loads(MINIMAL) | {"transforms": {"augment": ["crop"] * 101}}
    with pytest.raises(RecipeError, match=r"transforms.augment: must have at most 100, got 101"):
        resolve(table, CATALOGUE)


def test_of_very_many_unknown_keys_some_are_named():
    with pytest.raises(RecipeError) as caught:
        resolve(tomllib.loads(MINIMAL) | {f"k{number}": 1 for number in range(5000)}, CATALOGUE)
    assert caught.value.problems[-1] == "4,950 more unknown keys"
    assert len(str(caught.value).splitlines()) == 52

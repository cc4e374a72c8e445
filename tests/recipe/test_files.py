"""Recipe files are read, and recipes are written as TOML."""

import math
import tomllib
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path

import pytest

from recipe_components import (
    CATALOGUE,
    FULL,
    MINIMAL,
    read,
)
from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.errors import PluginError, RecipeError
from tlf.plugins.loading import load_plugins
from tlf.recipe.files import check_stored, dump, named_plugins, read_table, resolve
from tlf.recipe.schema import Recipe


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


def test_a_table_of_images_is_no_recipe():
    said = 'must be a recipe, got a table; name it in a recipe: data = { kind = "csv", file = … }'
    for name in ("labels.csv", "LABELS.CSV", "a.parquet"):
        assert unread(Path(name)) == f"{said}, which tlf options data.csv explains"


def test_what_is_not_toml_is_reported_with_line_and_column(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text("seed = 0\nbatch_size 32\n")
    assert unread(file).startswith("line 2, column 12: Expected '=' after a key")
    assert unread(file).endswith("in: batch_size 32")
    file.write_text('seed = 0\noutput = "x')
    assert unread(file).startswith("not TOML: Unterminated string")


def test_wrong_overrides_are_all_reported_at_once(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text(FULL)
    with pytest.raises(RecipeError) as caught:
        read_table(file, ["seed", "phases.9.lr=1", "seed=1"])
    assert len(caught.value.problems) == 2


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
    absent = {"clip_grad_norm", "start_from", "tracking"}  # None: TOML cannot say it
    assert list(table) == [item.name for item in fields(Recipe) if item.name not in absent]
    assert table["head"] == {"kind": "linear", "dropout": 0.0, "bias": True}
    keys = ("bad_images", "missing_in_eval", "unknown_in_eval")
    defaults = dict.fromkeys(keys, "error") | {"verify": "auto"}
    assert table["data"] == {"kind": "starter"} | defaults
    assert table["phases"][0]["scheduler"] == "constant"
    assert "[head]" in written.splitlines()
    assert tomllib.loads(dump(read(FULL), CATALOGUE))["head"]["kind"] == "gem:mlp"


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


class Way(Enum):
    SUM = "sum"
    MEAN = 2


@dataclass(frozen=True)
class Part:
    at: Path = Path()


@dataclass(frozen=True)
class Rich:
    file: Path = Path()
    way: Way = Way.SUM
    parts: list[Part] = field(default_factory=list)
    named: dict[str, Part] = field(default_factory=dict)


@dataclass(frozen=True)
class Fickle:
    """Its options do not survive a recipe."""

    value: float = math.inf
    width: int = 1

    def __post_init__(self):
        object.__setattr__(self, "width", self.width + (self.value > 1))


GEM = Plugin("gem", "tlf-gem", "2.0")


@pytest.mark.parametrize(
    ("given", "message"),
    [({}, "value: must be a finite number, got inf"), ({"value": 2.0}, "it comes back as Fickle")],
)
def test_options_that_do_not_survive_are_blamed_before_anything_trains(given, message):
    catalogue = Catalogue((*CATALOGUE.offers, Offer("tlf_heads", "gem:fickle", Fickle, GEM)))
    recipe = resolve(tomllib.loads(MINIMAL) | {"head": {"kind": "gem:fickle", **given}}, catalogue)
    with pytest.raises(PluginError) as caught:
        check_stored(recipe, catalogue)
    start = "'gem:fickle' (tlf-gem 2.0): its options must survive being stored in a recipe: "
    assert str(caught.value).startswith(start + message)


def test_options_of_every_type_survive():
    catalogue = Catalogue((*CATALOGUE.offers, Offer("tlf_heads", "gem:rich", Rich, GEM)))
    head = {"kind": "gem:rich", "file": "a/b", "way": 2, "parts": [{"at": "c"}], "named": {"x": {}}}
    recipe = resolve(tomllib.loads(MINIMAL) | {"head": head}, catalogue)
    here = Path.cwd()
    named = {"x": Part(here / Part().at)}
    assert recipe.head == Rich(here / "a/b", Way.MEAN, [Part(here / "c")], named)
    check_stored(recipe, catalogue)
    assert resolve(tomllib.loads(dump(recipe, catalogue)), catalogue) == recipe
    for wrong, message in (
        ({"way": "mean"}, 'head.way: must be one of "sum", 2, got "mean" (a string)'),
        ({"file": 3}, "head.file: must be a path in quotes, got 3 (a whole number)"),
        ({"parts": "c"}, 'head.parts: must be a list of [[tables]], got "c" (a string)'),
        ({"parts": [{"at": 1}]}, "head.parts.0.at: must be a path in quotes, got 1"),
    ):
        with pytest.raises(RecipeError) as caught:
            resolve(tomllib.loads(MINIMAL) | {"head": {"kind": "gem:rich", **wrong}}, catalogue)
        assert message in str(caught.value)


@dataclass(frozen=True)
class F1:
    title, higher_is_better, is_rate = "F1", True, True

    def measure(self, probabilities, labels):
        return 1.0


@dataclass(frozen=True)
class OtherF1(F1):
    pass


METRICS = Catalogue(
    (
        *CATALOGUE.offers,
        Offer("tlf_metrics", "macro-f1", F1, Plugin("tlf", "tlf", "0")),
        Offer("tlf_metrics", "gem:macro-f1", OtherF1, Plugin("gem", "tlf-gem", "0")),
    )
)


def test_a_metric_of_the_recipe_may_be_its_monitor():
    recipe = resolve(
        {**tomllib.loads(MINIMAL), "metrics": "gem:macro-f1", "monitor": "eval_macro_f1"}, METRICS
    )
    assert (recipe.metrics, recipe.monitor) == ((OtherF1(),), "eval_macro_f1")
    assert resolve(tomllib.loads(dump(recipe, METRICS)), METRICS) == recipe
    assert named_plugins({"metrics": ["gem:macro-f1"]}) == ("gem",)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            {"monitor": "eval_macro_f1"},
            "monitor: must be a figure of every run, or of metrics, got 'eval_macro_f1'; write "
            'metrics = ["macro-f1"], too',
        ),
        (
            {"monitor": "eval_macro_f", "metrics": ["macro-f1"]},
            "monitor: must be a figure of every run, or of metrics, got 'eval_macro_f'; did you "
            "mean 'eval_macro_f1'? Known: eval_loss, eval_macro_f1, eval_top1, train_loss",
        ),
        (
            {"metrics": ["macro-f1", {"kind": "gem:macro-f1"}]},
            "metrics: must have different names, got 'macro-f1' and 'gem:macro-f1'; remove one",
        ),
    ],
)
def test_metrics_and_the_monitor_fit_together(content, problem):
    with pytest.raises(RecipeError) as caught:
        resolve({**tomllib.loads(MINIMAL), **content}, METRICS)
    assert caught.value.problems == (problem,)


def test_a_task_fills_in_its_loss_and_its_monitor():
    catalogue = load_plugins([]).catalogue
    plain = {
        "data": {"kind": "starter"},
        "backbone": {"kind": "torchvision", "model": "resnet18", "weights": "none"},
        "phases": [{"name": "head", "freeze": "backbone", "epochs": 1, "lr": 0.1}],
    }
    for content, monitor, loss in (
        ({}, "eval_top1", "CrossEntropy"),
        ({"task": "multi-label"}, "eval_map", "BinaryCrossEntropy"),
        ({"task": "multi-label", "loss": {"pos_weight": "balanced"}}, "eval_map",
         "BinaryCrossEntropy"),
        ({"task": "multi-label", "loss": "asymmetric", "monitor": "eval_micro_f1"},
         "eval_micro_f1", "Asymmetric"),
    ):  # fmt: skip
        recipe = resolve(plain | content, catalogue)
        assert (recipe.monitor, type(recipe.loss).__name__) == (monitor, loss)
        assert resolve(tomllib.loads(dump(recipe, catalogue)), catalogue) == recipe
    catalogue = Catalogue((*catalogue.offers, Offer("tlf_losses", "gem:plain", Rich, GEM)))
    for content, problem in (
        ({"task": "multi-label", "loss": "gem:plain"}, "loss: must fit the task 'multi-label', got "
         "'gem:plain'; write 'binary-cross-entropy' or 'asymmetric' or 'sigmoid-focal'; if it "
         "fits, its author writes tasks = ('multi-label',) in its class"),
        ({"loss": "asymmetric"}, "loss: must fit the task 'single-label', got 'asymmetric'; write "
         "'cross-entropy' or 'focal' or 'gem:plain'"),
        ({"task": "multi-label", "loss": {"kind": "focal"}}, "loss: must fit the task "
         "'multi-label', got 'focal'; write 'binary-cross-entropy' or 'asymmetric' or "
         "'sigmoid-focal'"),
        ({"task": "multi-label", "metrics": ["top5"]}, "metrics: must fit the task 'multi-label', "
         "got 'top5'; leave it out"),
        ({"task": "multi-label", "monitor": "eval_top1"}, "monitor: must be a figure of every run, "
         "or of metrics, got 'eval_top1'; did you mean 'eval_map'? Known: eval_exact_match, "
         "eval_loss, eval_macro_f1, eval_map, eval_micro_f1, train_loss"),
    ):  # fmt: skip
        with pytest.raises(RecipeError) as caught:
            resolve(plain | content, catalogue)
        assert caught.value.problems == (problem,)
    twice = {"task": "multi-label", "metrics": ["macro-f1"], "monitor": "eval_top1"}
    with pytest.raises(RecipeError) as caught:
        resolve(plain | twice, catalogue)
    assert caught.value.problems[0].count("eval_macro_f1") == 1

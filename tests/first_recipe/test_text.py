"""The text of a recipe."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tlf.components import Split, Splits
from tlf.first_recipe.look import Look
from tlf.first_recipe.strategies import STRATEGIES
from tlf.first_recipe.text import Choices, recipe_text
from tlf.first_recipe.weights import STARTER, Weights
from tlf.tasks.class_counts import ClassCounts

NOTHING = Split((), (), read=bytes)
SEEN = Look(
    Splits(NOTHING, NOTHING, ("ant", "bee"), ("a note of the data",)),
    ClassCounts([30, 20]),
    ClassCounts([3, 2]),
    375,
    50,
    (),
)
CHOICES = Choices(
    "my birds", Path("new/birds.toml"), SEEN, STRATEGIES["head"], STARTER, chosen=False
)


@pytest.mark.parametrize("name", STRATEGIES)
def test_it_says_what_was_seen_and_why(name):
    text = recipe_text(replace(CHOICES, strategy=STRATEGIES[name]))
    about = text.partition("seed")[0].replace("\n# ", " ")
    for words in (
        "tlf new/birds.toml", "--output 'new/my birds-", "ant 30, bee 20",
        "50 train and 5 eval images of 2 classes",
        "a note of the data", "has 375 pixels", "one of them is 20.0% of the accuracy",
        f"Strategy {name}", "rule of thumb", "Warning: weights of ImageNet",
        "tlf init 'my birds' --strategy",
    ):  # fmt: skip
        assert words in about, words
    content = tomllib.loads(text)
    assert content["data"] == {"kind": "folder", "root": "my birds"}
    assert content["output"] == "runs/birds"
    assert content["phases"][0].get("augment") is None
    assert all(len(line) <= 100 for line in text.splitlines() if not line.startswith("#     "))


def test_rare_classes_small_and_unreadable_images_and_missing_ones():
    splits = replace(SEEN.splits, classes=("ant", "bee", "wasp"))
    seen = replace(
        SEEN, splits=splits, train=ClassCounts([300, 20, 0]), eval=ClassCounts([4, 0, 3]), side=32,
        unreadable=('a"\n.jpg',), sampled=9,
    )  # fmt: skip
    content = tomllib.loads(text := recipe_text(replace(CHOICES, seen=seen)))
    assert content["loss"] == {"kind": "cross-entropy", "class_weights": "balanced"}
    assert (content["metrics"], content["monitor"]) == (["macro-f1"], "eval_macro_f1")
    assert content["transforms"] == {"size": 96, "resize": 96}
    assert content["data"]["bad_images"] == "skip"
    assert content["data"]["missing_in_eval"] == "allow"
    assert content["data"]["unknown_in_eval"] == "skip"
    assert "1 of 9 cannot be read" in text
    assert "transforms" not in tomllib.loads(recipe_text(replace(CHOICES, seen=seen, sizes=False)))


def test_16_bits_and_other_channels_are_written():
    content = tomllib.loads(recipe_text(replace(CHOICES, seen=replace(SEEN, deep=True))))
    assert content["data"]["white"] == "auto"
    assert content["transforms"] == {"depth": 16}
    assert "channels" not in content["backbone"]
    seen = replace(SEEN, channels=5, side=32)
    content = tomllib.loads(recipe_text(replace(CHOICES, seen=seen)))
    assert content["backbone"]["channels"] == 5
    assert content["transforms"] == {"size": 96, "resize": 96}
    own = Weights((("kind", "timm"), ("channels", 4)), "as asked for")
    content = tomllib.loads(recipe_text(replace(CHOICES, seen=seen, weights=own)))
    assert content["backbone"]["channels"] == 4


def test_names_of_any_kind_stay_inside_strings_and_comments():
    odd = 'a"b\\c\n[data]\nroot = "x"\x1b[31m'
    splits = replace(SEEN.splits, classes=(odd, "bee"), notes=(odd,))
    weights = Weights((("kind", "timm"), ("model", odd)), "of\nme")
    text = recipe_text(
        replace(CHOICES, folder=odd, seen=replace(SEEN, splits=splits), weights=weights)
    )
    content = tomllib.loads(text)
    assert content["data"]["root"] == odd
    assert content["backbone"]["model"] == odd
    assert "\x1b" not in text


def test_many_classes_are_not_all_named():
    classes = tuple(f"class {number}" for number in range(1000))
    splits = replace(SEEN.splits, classes=classes)
    seen = replace(SEEN, splits=splits, train=ClassCounts([5] * 1000), eval=ClassCounts([1] * 1000))
    text = recipe_text(replace(CHOICES, seen=seen))
    assert "class 11 5, and 988 more" in text.replace("\n# ", " ")
    assert len(text) < 3000

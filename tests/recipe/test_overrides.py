"""``key=value`` arguments change a recipe before it is validated."""

import tomllib

import pytest

from recipe_components import (
    FULL,
    MINIMAL,
    Linear,
    read,
)
from tlf.recipe.overrides import override


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


def test_spaces_at_the_equals_sign_are_one_problem():
    table, problems = override({"seed": 0}, ["seed", "=", "3", "workers=", "2", "batch_size=8"])
    assert table == {"seed": 0, "batch_size": 8}
    assert problems == [
        "seed = 3: has spaces at its =; write seed=3",
        "workers= 2: has spaces at its =; write workers=2",
    ]
    _, problems = override({}, ["data.root", "=", "my photos", "loss", "=", "{kind = 'focal'}"])
    assert problems == [
        "data.root = my photos: has spaces at its =; write 'data.root=my photos'",
        "loss = {kind = 'focal'}: has spaces at its =; write 'loss={kind = '\"'\"'focal'\"'\"'}'",
    ]
    assert override({}, ["seed = 3"]) == ({"seed": 3}, [])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("seed", "seed: must be an override, key=value; write phases.0.lr=0.01, for example"),
        ("=3", "=3: the key must be names with dots between them, got ''"),
        ("a..b=3", "a..b=3: the key must be names with dots between them, got 'a..b'"),
        ("a\nb=3", "a\nb=3: the key must be names with dots between them, got 'a\\nb'"),
        ("data.root=", "data.root=: must have a value; for an empty string write data.root='\"\"'"),
        (
            "phases.0.epochs=+3",
            "phases.0.epochs=+3: the value must have no +: it replaces the old one; write phases.0",
        ),
        ("seed=[1,", "seed=[1,: the value must be TOML: "),
        ("phases.2.lr=1", "phases.2.lr=1: phases has 2 items, counted from 0, but no 2"),
        ("phases.al.lr=1", "phases.al.lr=1: phases has 2 items, counted from 0, but no al; d"),
        ("plugins.1=x", "plugins.1=x: plugins has 1 item, counted from 0, but no 1"),
        ("seed.x=1", "seed.x=1: seed must be a table or a list, got 3 (a whole number)"),
    ],
)
def test_overrides_that_cannot_be_applied(argument, message):
    _, found = override(tomllib.loads(FULL), [argument])
    assert len(found) == 1
    assert found[0].startswith(message)

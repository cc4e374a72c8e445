"""Which train images are held out to calibrate: decided by the seed and their names."""

from dataclasses import replace

import pytest

from tlf.components import Split, Splits
from tlf.data.listing.compact import Groups
from tlf.errors import DataError
from tlf.tasks.single_label import SingleLabel
from tlf.training.calibration.held_out import folds, hold_out_of_training


def splits_of(names, labels):
    split = Split(tuple(names), tuple(labels), lambda index: b"")
    return Splits(split, split, ("ant", "bee"))


MANY = splits_of([f"{number}.jpg" for number in range(40)], [0] * 30 + [1] * 10)


@pytest.fixture(scope="module")
def recipe(job):
    return job.recipe


def test_nothing_is_held_out_by_default(recipe):
    assert hold_out_of_training(MANY, recipe) == (frozenset(), ())


def test_the_same_part_of_each_class(recipe):
    asked = replace(recipe, calibration=0.2)
    indices, (note,) = hold_out_of_training(MANY, asked)
    assert sorted(index >= 30 for index in indices) == [False] * 6 + [True] * 2
    assert note.startswith("8 of 40 train images are held out to calibrate the model")
    assert hold_out_of_training(MANY, asked)[0] == indices
    assert hold_out_of_training(MANY, replace(asked, seed=1))[0] != indices
    # In another order, the same images.
    names = MANY.train.names[::-1]
    other, _ = hold_out_of_training(splits_of(names, MANY.train.labels[::-1]), asked)
    assert {names[index] for index in other} == {MANY.train.names[index] for index in indices}


def test_an_image_that_is_listed_twice_is_held_out_twice(recipe):
    twice = splits_of([*MANY.train.names] * 2, [*MANY.train.labels] * 2)
    indices, _ = hold_out_of_training(twice, replace(recipe, calibration=0.2))
    assert {index + 40 for index in indices if index < 40} == {i for i in indices if i >= 40}


def test_classes_of_one_image_keep_it(recipe):
    with pytest.raises(DataError, match="calibration must leave an image of each class"):
        hold_out_of_training(splits_of("ab", [0, 1]), replace(recipe, calibration=0.5))


def test_groups_are_whole_where_the_recipe_has_some(recipe):
    of = {name: f"p{number % 8}" for number, name in enumerate(MANY.train.names)}
    train = replace(MANY.train, groups=Groups(of.values()))
    grouped = replace(MANY, train=train)
    indices, _ = hold_out_of_training(grouped, replace(recipe, calibration=0.25))
    inside = {of[MANY.train.names[index]] for index in indices}
    assert indices == {i for i, name in enumerate(MANY.train.names) if of[name] in inside}
    assert len(indices) == 10
    dealt = folds(train, SingleLabel(), 0)
    assert sorted(index for fold in dealt for index in fold) == [*range(40)]
    people = [{of[MANY.train.names[index]] for index in fold} for fold in dealt]
    assert sum(map(len, people)) == 8


def test_groups_are_dealt_as_they_have_always_been(recipe):
    """Runs that are trained further keep the images that calibrate them."""
    train = replace(MANY.train, groups=Groups(f"p{number % 13}" for number in range(40)))
    held_out, _ = hold_out_of_training(
        replace(MANY, train=train), replace(recipe, calibration=0.25, seed=3)
    )
    assert sorted(held_out) == [2, 4, 9, 15, 17, 22, 28, 30, 35]
    assert [sorted(fold) for fold in folds(train, SingleLabel(), 3)] == [
        [0, 2, 13, 15, 26, 28, 39],
        [1, 4, 9, 14, 17, 22, 27, 30, 35],
        [5, 6, 11, 18, 19, 24, 31, 32, 37],
        [7, 12, 20, 25, 33, 38],
        [3, 8, 10, 16, 21, 23, 29, 34, 36],
    ]


def test_no_class_loses_all_its_images(recipe):
    """All images of the class 0 are of a rarer class, too, which keeps others."""
    labels = [(0, 1), (1,), (0, 2), (2,), (0, 3), (3,)]
    split = Split(tuple("abcdef"), tuple(labels), lambda index: b"")
    splits = Splits(split, split, tuple("wxyz"))
    several = replace(recipe, task="multi-label", calibration=0.5)
    found = []
    for seed in range(20):
        try:
            indices, _ = hold_out_of_training(splits, replace(several, seed=seed))
        except DataError as error:
            found.append(str(error))
        else:
            left = {k for i, label in enumerate(labels) if i not in indices for k in label}
            assert left == {0, 1, 2, 3}
    assert 0 < len(found) < 20
    assert "got 0.5 of all images of 'w'; write calibration" in found[0]

"""Train, eval and test of a dataset: held-out and own eval splits, fractions, folds, groups."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tlf.components import HeldOut, Split, Splits
from tlf.data.listing.compact import Groups
from tlf.data.splits import hold_out, parts_of
from tlf.data.splitting.images import Asked
from tlf.data.splitting.three_splits import divided
from tlf.errors import DataError
from tlf.tasks.single_label import SingleLabel

TASK, CLASSES = SingleLabel(), ("ant", "bee", "fly")
NOTE = "20% were held out"


def read(index):
    return b"%d" % index


def split(names, labels, groups=None):
    columns = {} if groups is None else {"patient": groups}
    return Split(tuple(names), tuple(labels), read, columns)


def images(counts=(20, 15, 10), prefix="", people=9):
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    names = [f"{prefix}{label}/{n % people}_{n}.jpg" for n, label in enumerate(labels)]
    return names, labels, [name.partition("/")[2].partition("_")[0] for name in names]


def own_eval():
    """A dataset with an eval split of its own; other people than in train."""
    train, evaluated = images(), images((6, 5, 4), "v", people=3)
    others = [f"v{person}" for person in evaluated[2]]
    return Splits(split(*train), split(*evaluated[:2], others), CLASSES, ("a note",))


def held_out(counts=(20, 15, 10)):
    """A dataset that has held out a fifth of each class, as tlf's own do."""
    names, labels, people = images(counts)
    of = dict(zip(names, zip(labels, people, strict=True), strict=True))
    groups = {k: [n for n in names if of[n][0] == k] for k in range(len(counts))}
    parts = [[n for own in part.values() for n in own] for part in hold_out(groups, 0.2, 0)]
    train, evaluated = (split(part, *zip(*map(of.get, part), strict=True)) for part in parts)
    return Splits(train, evaluated, CLASSES, (NOTE, "a note"), held_out=HeldOut(0.2, NOTE))


def names_of(splits):
    return {part: [*one.names] for part, one in parts_of(splits).items()}


def check(before, after):
    """Each image is in one split, and none is lost."""
    names = names_of(after)
    every = [name for own in names.values() for name in own]
    assert sorted(every) == sorted(n for own in names_of(before).values() for n in own)
    pairs = (zip(one.names, one.labels, strict=True) for one in parts_of(before).values())
    labels = {name: label for own in pairs for name, label in own}
    for one in parts_of(after).values():
        assert [labels[name] for name in one.names] == [*one.labels]
    return names


@pytest.mark.parametrize("dataset", [own_eval, held_out])
def test_without_the_keys_nothing_changes(dataset):
    splits = dataset()
    assert divided(splits, Asked(seed=3), TASK) is splits


def test_a_test_fraction_leaves_an_own_eval_split_as_it_is():
    before = own_eval()
    after = divided(before, Asked(test=0.2), TASK)
    names = check(before, after)
    assert names["eval"] == [*before.eval.names]
    assert Counter(after.test.labels) == {0: 4, 1: 3, 2: 2}
    assert after.notes == (
        "a note",
        "the test split is 20% of each class of the train split: 9 images (drawn by data.seed = 0)",
    )


def test_both_fractions_are_of_all_images_where_the_eval_split_is_held_out():
    before = held_out()
    after = divided(before, Asked(test=0.2), TASK)
    check(before, after)
    for part in (after.test, after.eval):
        assert Counter(part.labels) == {0: 4, 1: 3, 2: 2}
    assert NOTE not in after.notes
    assert after.notes[0] == "a note"


@pytest.mark.parametrize("dataset", [own_eval, held_out])
def test_the_test_split_is_the_same_for_all_folds_and_without_them(dataset):
    before = dataset()
    asked = Asked(test=0.2, seed=4)
    folds = [divided(before, replace(asked, folds=5, fold=k), TASK) for k in range(1, 6)]
    wanted = {*divided(before, asked, TASK).test.names}
    assert all({*one.test.names} == wanted for one in folds)
    for one in folds:
        check(before, one)
    evaluated = [name for one in folds for name in one.eval.names]
    rest = {n for own in names_of(before).values() for n in own} - wanted
    assert sorted(evaluated) == sorted(rest)  # each is held out once
    for label in range(3):
        counts = [Counter(one.eval.labels)[label] for one in folds]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("group", ["patient", "/([0-9]+)_"])
@pytest.mark.parametrize("keys", [{}, {"test": 0.2}, {"folds": 3, "fold": 2},
                                  {"test": 0.2, "folds": 3, "fold": 1}])  # fmt: skip
def test_no_group_is_in_two_splits(group, keys):
    for seed in range(10):
        before = held_out()
        after = divided(before, Asked(group=group, seed=seed, **keys), TASK)
        names = check(before, after)
        people = [{n.partition("/")[2].partition("_")[0] for n in own} for own in names.values()]
        assert sum(map(len, people)) == len(set.union(*people)) == 9
        assert all(own for own in people)
        assert "whole groups (drawn by data.seed" in after.notes[-1]
        assert not any(one.columns for one in parts_of(after).values())
        for one in parts_of(after).values():
            assert [*one.groups] == [name.split("/")[1].split("_")[0] for name in one.names]
            assert isinstance(one.groups, Groups)


def test_groups_of_splits_that_the_dataset_has_made_are_checked():
    before = own_eval()
    after = divided(before, Asked(group="patient"), TASK)
    assert names_of(after) == names_of(before)
    mixed = replace(before, eval=replace(before.eval, columns={"patient": ["3"] * 15}))
    with pytest.raises(DataError, match="'3' has 5 images in train and 15 in eval"):
        divided(mixed, Asked(group="patient"), TASK)
    dealt = [divided(mixed, Asked(group="patient", folds=4, fold=k, test=0.2), TASK)
             for k in range(1, 5)]  # fmt: skip
    for one, other in pairwise(dealt):
        assert {*one.test.names} == {*other.test.names}
        assert not any("/3_" in name for name in one.test.names)  # it is in the eval split, too
    own_test = replace(held_out(), test=split(["t"], [0], ["3"]))
    with pytest.raises(DataError, match="5 images in train and 1 in test; move"):
        divided(own_test, Asked(group="patient"), TASK)


def test_a_named_test_split_stays_and_is_in_no_fold():
    before = replace(own_eval(), test=split(["t1", "t2"], [0, 1]))
    after = divided(before, Asked(folds=5, fold=5), TASK)
    assert names_of(after)["test"] == ["t1", "t2"]
    check(before, after)


@pytest.mark.parametrize(
    ("dataset", "asked", "message"),
    [
        (held_out, Asked(folds=50, fold=1),
         "at most the number of images, got 50 and 45; write data.folds = 45"),
        (held_out, Asked(folds=12, fold=1),
         "images of the smallest class, got 12, and 'fly' has 10; write data.folds = 10, add imag"),
        (held_out, Asked(folds=10, fold=1, group="patient"),
         "at most the number of groups, got 10 and 9; write data.folds = 9"),
        (held_out, Asked(test=0.8),
         "must leave train images, got 0.8 and 0.2; write data.test = 0.2"),
        (held_out, Asked(group="(jpg)"),
         "must give 2 groups or more, one for each split, got 1 of 45 images: 'jpg'; write a col"),
        (held_out, Asked(group="(jpg)", test=0.2), "must give 3 groups or more"),
        (lambda: replace(own_eval(), eval=own_eval().train),
         Asked(group="patient", test=0.2, folds=3, fold=1),
         "data.test = 0.2 is drawn from groups that have no image in the eval split: 3 or more, "
         "got 0 of 9; move"),
        (lambda: held_out((2, 2, 2)), Asked(test=0.2),
         "data.test = 0.2 holds out no image: it leaves 2 of each class, and no class has 3; add"),
        (lambda: replace(own_eval(), test=own_eval().eval), Asked(test=0.2),
         "must be left out for a dataset with a test split of its own, got 0.2; leave it out"),
    ],
)  # fmt: skip
def test_what_cannot_be_divided_is_one_message(dataset, asked, message):
    with pytest.raises(DataError, match=message):
        divided(dataset(), asked, TASK)


def test_a_small_class_may_be_in_some_folds_only():
    asked = Asked(folds=12, fold=1, every_class=False)
    check(before := held_out(), divided(before, asked, TASK))


def test_random_datasets_lose_no_image_and_split_no_group():
    random = np.random.default_rng(0)
    for _ in range(60):
        count = int(random.integers(30, 120))
        labels = [*map(int, random.integers(0, 3, count))]
        people = [f"p{n}" for n in random.integers(0, 12, count)]
        names = [f"{n}.jpg" for n in range(count)]
        cut = count // 5
        evaluated = split(names[:cut], labels[:cut], people[:cut])
        before = Splits(split(names[cut:], labels[cut:], people[cut:]), evaluated, CLASSES,
                        (NOTE,), held_out=HeldOut(0.2, NOTE))  # fmt: skip
        asked = Asked(test=0.15, group="patient", seed=int(random.integers(9)), every_class=False)
        found = check(before, divided(before, asked, TASK))
        of = dict(zip(names, people, strict=True))
        groups = [{of[name] for name in own} for own in found.values()]
        assert sum(map(len, groups)) == len({*people})

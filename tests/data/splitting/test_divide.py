"""Parts and folds: exact unions, proportions of every class, whole groups, and fixed values."""

from collections import Counter

import numpy as np
import pytest

from tlf.data.splitting.divide import (
    groups_held_out,
    groups_in_folds,
    held_out,
    in_folds,
    parted,
)

TRIALS = 100


def trial(seed, classes=5, most=60):
    """Names, strata and groups of images, as unequal as they happen to be."""
    random = np.random.default_rng(seed)
    count = int(random.integers(2, most))
    strata = random.integers(0, random.integers(1, classes + 1), count).tolist()
    groups = [f"g{n}" for n in random.integers(0, random.integers(2, 30), count).tolist()]
    return [f"{random.integers(10**9)}-{n}" for n in range(count)], strata, groups


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.9])
def test_a_fraction_of_each_class_to_one_image(fraction):
    for seed in range(TRIALS):
        names, strata, _ = trial(seed)
        found = held_out(names, strata, fraction, seed, keep=1)
        whole, part = Counter(strata), Counter(strata[p] for p in found)
        for stratum, images in whole.items():
            assert part[stratum] == min(max(1, round(fraction * images)), images - 1)


def test_folds_hold_each_image_once_and_each_class_to_one_image():
    for seed in range(TRIALS):
        names, strata, _ = trial(seed)
        folds = 2 + seed % 5
        fold = in_folds(names, strata, folds, seed)
        sizes = Counter(fold)
        assert {*fold} <= {*range(folds)}
        assert max(sizes.values()) - min(sizes[k] for k in range(folds)) <= 1
        for stratum in {*strata}:
            of = Counter(f for f, s in zip(fold, strata, strict=True) if s == stratum)
            assert max(of.values()) - min(of[k] for k in range(folds)) <= 1


def test_groups_stay_whole_and_no_part_is_empty():
    for seed in range(TRIALS):
        _, strata, groups = trial(seed)
        number = len({*groups})
        if number < 2:
            continue
        folds = min(number, 2 + seed % 4)
        fold = groups_in_folds(groups, strata, folds, seed)
        assert len({*zip(groups, fold, strict=True)}) == number
        assert {*fold} == {*range(folds)}
        part = groups_held_out(groups, strata, 0.2, seed)
        inside = {groups[p] for p in part}
        assert part == {p for p, group in enumerate(groups) if group in inside}
        assert 0 < len(inside) < number


def test_many_small_groups_come_near_to_their_share():
    random = np.random.default_rng(0)
    groups = random.integers(0, 300, 3000).astype(str).tolist()
    strata = random.integers(0, 4, 3000).tolist()
    part = groups_held_out(groups, strata, 0.2, 0)
    assert len(part) / 3000 == pytest.approx(0.2, abs=0.005)
    for stratum in range(4):
        share = sum(strata[p] == stratum for p in part) / strata.count(stratum)
        assert share == pytest.approx(0.2, abs=0.02)
    fold = Counter(groups_in_folds(groups, strata, 5, 0))
    assert all(abs(count - 600) <= 6 for count in fold.values())


def test_the_order_of_images_changes_nothing():
    names, strata, groups = trial(3)
    turn = slice(None, None, -1)
    fold = in_folds(names, strata, 3, 0)
    again = groups_in_folds(groups[turn], strata[turn], 3, 0)
    assert again[turn] == groups_in_folds(groups, strata, 3, 0)
    back = held_out(names[turn], strata[turn], 0.3, 0, keep=1)
    assert {len(names) - 1 - p for p in back} == held_out(names, strata, 0.3, 0, keep=1)
    assert fold != in_folds(names, strata, 3, 1)  # the seed decides


def test_a_group_that_is_larger_than_the_part_stays_in_the_rest():
    groups = ["big"] * 90 + ["small"] * 10
    assert parted(groups, [0] * 100, (0.8, 0.2), 0) == {"big": 0, "small": 1}


def test_images_that_must_stay():
    assert held_out(["a", "b"], [0, 0], 0.5, 0, keep=2) == set()
    assert len(held_out(["a", "b", "c"], [0, 0, 0], 0.9, 0, keep=2)) == 1
    # A fraction of ten images, of which six are left here.
    assert len(held_out(list("abcdef"), [0] * 6, 0.4, 0, keep=1, left={0: 10})) == 4

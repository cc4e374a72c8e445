"""Draws: nested sizes, each class in proportion, the same held-out images for all of them."""

import numpy as np
import pytest

from tlf.errors import DataError, RunError
from tlf.studies.judged import judged_images
from tlf.studies.learning_curve.draws import LEAST, check_sizes, draws_of, sizes_of


def judged_of(*counts, groups=None):
    """Judged images of classes with so many images."""
    labels = np.repeat(np.arange(len(counts)), counts)
    groups = np.arange(len(labels)) if groups is None else groups
    return judged_images(labels, groups, [f"class {n}" for n in range(len(counts))], 0, 2)


def test_ten_draws_hold_out_each_image_twice():
    judged = judged_of(60, 30)
    draws = draws_of(judged, 0)
    assert len(draws) == 10
    held = np.bincount(np.concatenate([draw.held_out for draw in draws]), minlength=90)
    assert (held == 2).all()
    for draw in draws:
        assert {*draw.train} & {*draw.held_out} == set()
        assert len({*draw.train}) == len(draw.train) == 72


def test_classes_keep_their_shares_at_every_size():
    judged = judged_of(100, 50, 5)
    sizes = sizes_of((), draws := draws_of(judged, 0), judged)
    assert sizes == (6, 11, 20, 37, 68, 124)
    for size in sizes:
        every = [np.bincount(judged.labels[draw.train[:size]]).tolist() for draw in draws]
        assert all(one == every[0] for one in every)
        assert min(every[0]) >= LEAST
    assert every[0] == [80, 40, 4]
    half = np.bincount(judged.labels[draws[0].train[:68]])
    assert half == pytest.approx([44, 22, 2], abs=1)


def test_draws_differ_and_are_the_same_for_the_same_seed():
    judged = judged_of(20, 20)
    first, again, other = (draws_of(judged, seed) for seed in (0, 0, 1))
    assert all((a.train == b.train).all() for a, b in zip(first, again, strict=True))
    assert any((a.train != b.train).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [
        ((10,), "two or more, got 10"),
        ((1, 10), "2 images of each class or more, got 1 10"),
        ((40, 20, 10), "must rise, got 40 20 10; write --sizes 10 20 40"),
        ((10, 10), "must rise, got 10 10"),
    ],
)
def test_sizes_that_are_no_curve(sizes, problem):
    with pytest.raises(RunError, match=problem):
        check_sizes(sizes)


def test_sizes_are_of_each_class_on_average():
    judged = judged_of(60, 30)
    draws = draws_of(judged, 0)
    assert sizes_of((5, 10, 36), draws, judged) == (10, 20, 72)
    with pytest.raises(RunError, match=r"must be 36 images of each class or fewer, got 37; folds "):
        sizes_of((5, 37), draws, judged)


def test_too_few_images_say_how_many_are_needed():
    judged = judged_of(5, 5)
    with pytest.raises(DataError, match="needs 7 train images of each of 2 classes, got 10 in all"):
        sizes_of((), draws_of(judged, 0), judged)
    assert len({*sizes_of((), draws_of(enough := judged_of(7, 7), 0), enough)}) == 6


def test_a_class_of_copies_is_named():
    groups = np.arange(25)
    groups[20:] = np.arange(5)
    with pytest.raises(DataError, match="class 'class 1' must have images in each of 5 folds, got"):
        draws_of(judged_of(20, 5, groups=groups), 0)

"""Balanced draws: equally many of each class, and each image of a class equally often."""

from collections import Counter

import torch

from tlf.data.sampling.balanced import balanced_draws

CLASSES = [[2], [], [0, 5, 9], [1, 3, 4, 6, 7, 8, 10]]
"""11 images of 3 classes, and a class without images."""
OF = {index: number for number, images in enumerate(CLASSES) for index in images}


def epochs(count, seed=0, classes=CLASSES):
    return [balanced_draws(seed, epoch, classes) for epoch in range(count)]


def test_an_epoch_has_as_many_draws_as_images_and_classes_take_turns():
    found = epochs(9)
    assert {len(draws) for draws in found} == {11}
    each = [Counter(OF[index] for _, index in draws) for draws in found]
    assert {count for counter in each for count in counter.values()} == {3, 4}
    for number in range(9):  # over all epochs so far, the counts differ by one at most
        so_far = sum(each[: number + 1], Counter())
        assert max(so_far.values()) - min(so_far.values()) <= 1
    assert {*so_far} == {0, 2, 3}


def test_no_image_is_drawn_again_before_all_others_of_its_class():
    """Over the epochs, the counts of the images of a class differ by one at most; no draw of an
    image has the number of another one, so that each is augmented in its own way.
    """
    drawn = [draw for draws in epochs(40) for draw in draws]
    assert len({*drawn}) == len(drawn) == 40 * 11
    times = Counter(index for _, index in drawn)
    for images in CLASSES:
        counts = [times[index] for index in images]
        assert not counts or max(counts) - min(counts) <= 1
    numbers = {index: sorted(n for n, i in drawn if i == index) for index in OF}
    assert all(found == [*range(len(found))] for found in numbers.values())


def test_many_more_draws_than_images_of_a_class_cross_the_generators():
    draws = epochs(3, classes=[[7], [*range(100, 3100)]])
    rare = [number for each in draws for number, index in each if index == 7]
    assert sorted(rare) == [*range(4502)]  # every second draw of three epochs
    assert [len(each) for each in draws] == [3001] * 3


def test_draws_depend_on_the_seed_and_the_epoch_and_are_shuffled():
    orders = {tuple(balanced_draws(seed, e, CLASSES)) for seed in range(3) for e in range(3)}
    assert len(orders) == 9
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert [*balanced_draws(1, 2, CLASSES)] == [*balanced_draws(1, 2, CLASSES)]
    assert torch.equal(before, torch.get_rng_state())
    first = [OF[index] for index in (balanced_draws(0, 0, CLASSES)[n][1] for n in range(11))]
    assert first != sorted(first)


def test_equal_classes_are_drawn_once_each_per_epoch():
    draws = balanced_draws(0, 3, [[0, 2], [1, 3]])
    assert sorted(draws) == [(3, index) for index in range(4)]


def test_an_image_of_two_classes_counts_once_for_the_length():
    found = epochs(8, classes=[[0, 1], [1, 2], [1]])
    assert [len(draws) for draws in found] == [3] * 8
    drawn = [draw for draws in found for draw in draws]
    assert len({*drawn}) == len(drawn)  # each draw is augmented in its own way

import random
from collections import Counter
from itertools import chain

import pytest

from tlf.tasks.strata import held_out, rarest


def counted(labels, chosen):
    """How many images have each class, of those that are held out and of the others."""
    parts = ([], [])
    for image, label in enumerate(labels):
        parts[image in chosen].append(label)
    return [Counter(chain.from_iterable(part)) for part in reversed(parts)]


def drawn(images, rates, seed=0):
    generator = random.Random(seed)
    labels = [
        tuple(k for k, rate in enumerate(rates) if generator.random() < rate) for _ in range(images)
    ]
    return labels, [generator.randbytes(4) for _ in labels]


def test_an_image_belongs_to_its_rarest_class():
    assert rarest([(0, 2), (0,), (0,), (2,), ()]) == [2, 0, 0, 2, -1]
    assert rarest([(0, 1), (0, 1)]) == [0, 0]


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_each_class_is_held_out_in_its_fraction(fraction):
    labels, ranks = drawn(600, (0.8, 0.4, 0.2, 0.05, 0.02))
    out, left = counted(labels, held_out(labels, ranks, fraction))
    for k in range(5):
        assert out[k] / (out[k] + left[k]) == pytest.approx(fraction, abs=0.08)
    without = [label for label in labels if not label]
    assert without


@pytest.mark.parametrize("seed", range(20))
def test_each_class_of_two_images_is_on_both_sides(seed):
    labels, ranks = drawn(40, (0.9, 0.3, 0.08, 0.06, 0.05, 0.05), seed)
    out, left = counted(labels, held_out(labels, ranks, 0.1))
    total = Counter(chain.from_iterable(labels))
    alone = {k for label in labels for k in label if any(total[c] < 2 for c in label)}
    for k, count in total.items():
        assert left[k]
        assert out[k] or count < 2 or k in alone


def test_with_one_class_for_each_image_a_fraction_of_each_is_held_out():
    labels = [(0,)] * 10 + [(1,)] * 5 + [(2,)] * 2 + [(3,)]
    ranks = [bytes([image * 7 % 18]) for image in range(18)]
    out, left = counted(labels, held_out(labels, ranks, 0.2))
    assert out == {0: 2, 1: 1, 2: 1}
    assert left[3] == 1

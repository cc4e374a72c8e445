"""One line about images that train and eval share."""

from dataclasses import replace

from tlf.checks.findings import Duplicates, Findings, ImageRef
from tlf.checks.leaks import leak_sentence


def group(train, evaluated, exact):
    images = [ImageRef("train", number, "a", "ant") for number in range(train)]
    images += [ImageRef("eval", number, "b", "ant") for number in range(evaluated)]
    numbers = [0] * len(images) if exact else range(len(images))
    return Duplicates(tuple(images), tuple(numbers), 1.0 if exact else 0.7)


def sentence(*groups):
    return leak_sentence(Findings({"train": 90, "eval": 40}, {}, duplicates=groups))


def test_nothing_is_shared():
    assert sentence() is None
    assert sentence(group(2, 0, True), group(0, 2, False)) is None


def test_eval_images_are_counted():
    assert sentence(group(1, 2, True), group(3, 1, False), group(2, 0, True)) == (
        "3 of the 40 eval images are in the train split, too (2 byte for byte, 1 as "
        "near-duplicate): the results look better than they are"
    )
    assert sentence(group(1, 1, False)) == (
        "1 of the 40 eval images is in the train split, too (1 as near-duplicate): the results "
        "look better than they are"
    )


def test_a_near_copy_does_not_hide_that_bytes_are_equal():
    """Two train and two eval images in one group: only the first of each are the same file."""
    near = group(2, 2, False)
    assert "(1 byte for byte, 1 as near-duplicate)" in sentence(replace(near, equal=(0, 1, 0, 2)))
    assert "(2 as near-duplicates)" in sentence(replace(near, equal=(0, 0, 1, 1)))

"""What a group of duplicates says about splits and classes."""

from tlf.checks.findings import Duplicates, Findings, ImageRef

TRAIN, EVAL = (ImageRef(split, 0, f"{split}/a.jpg", "ant") for split in ("train", "eval"))
BEE = ImageRef("train", 1, "train/b.jpg", "bee")


def test_splits_and_classes():
    shared = Duplicates((TRAIN, EVAL), exact=True, similarity=1.0)
    mixed = Duplicates((TRAIN, BEE), exact=False, similarity=0.8)
    assert (shared.across_splits, shared.across_classes) == (True, False)
    assert (mixed.across_splits, mixed.across_classes) == (False, True)
    assert Findings({}, {}, duplicates=(shared, mixed)).leaks == (shared,)

"""What a check may find in a few images that exist only in name."""

from tlf.checks.checked import Checked
from tlf.checks.findings import (
    Duplicates,
    Findings,
    ImageRef,
    Inseparable,
    LabelSuspect,
    OddSize,
)
from tlf.components import Split, Splits
from tlf.data.inspection.readable import Unreadable

CLASSES = ("ant", "bee", "fly")


def read(index):
    """The bytes of an image, which is none."""
    return b"%d" % index


def image(split, index, label="ant"):
    """An image, called after its split and its number: t0.jpg, e1.jpg."""
    return ImageRef(split, index, f"{split[0]}{index}.jpg", label)


def checked(unreadable=(), counts=None, **found):
    """The result of a check of 9 train and 3 eval images."""
    train = Split(tuple(f"t{i}.jpg" for i in range(9)), (0, 1, 2) * 3, read)
    evaluated = Split(tuple(f"e{i}.jpg" for i in range(3)), (0, 1, 2), read)
    counts = counts or {"train": dict.fromkeys(CLASSES, 3), "eval": dict.fromkeys(CLASSES, 1)}
    reasons = tuple((one.split, one.name, one.why) for one in unreadable)
    findings = Findings({"train": 9, "eval": 3}, counts, unreadable=reasons, **found)
    return Checked("my/images", "resnet18", findings, Splits(train, evaluated, CLASSES), unreadable)


LEAK = Duplicates((image("train", 0), image("eval", 0)), (0, 0), 1.0)
NEAR_LEAK = Duplicates((image("eval", 1, "bee"), image("train", 1, "bee")), (0, 1), 0.97)
MIXED = Duplicates((image("train", 3), image("train", 4, "bee")), (0, 0), 1.0)
PLAIN = Duplicates(tuple(image("train", i, "fly") for i in (2, 5, 8)), (0, 1, 2), 0.9)
SUSPECT = LabelSuspect(image("train", 6), "fly", 0.02, 0.91, (image("train", 2, "fly"),))
ODD = OddSize(image("eval", 2, "fly"), 12, 400, "it is 33 times as high as wide")
BROKEN = Unreadable("train", "gone.jpg", "ant", "the file is empty")
EVERYTHING = {
    "unreadable": (BROKEN,),
    "duplicates": (PLAIN, MIXED, LEAK, NEAR_LEAK),
    "suspects": (SUSPECT,),
    "inseparable": (Inseparable(("ant", "fly"), 0.25, 8),),
    "odd_sizes": (ODD,),
}

"""Datasets."""

from dataclasses import dataclass, replace
from typing import Any

import torch

from broken.rules import Rules, again
from tlf.components import HeldOut, Split, Splits

RULES = Rules()


def image(index: int) -> bytes:
    from io import BytesIO

    from PIL import Image

    held = BytesIO()
    Image.new("RGB", (8, 8), (index % 256, 0, 0)).save(held, "PNG")
    return held.getvalue()


def noise(index: int) -> bytes:
    return image(again("noise"))


def text(index: int) -> str:
    return "image"


def garbage(index: int) -> bytes:
    return b"image"


def empty() -> Split:
    return Split((), (), image)


SEVERAL: dict[str, Any] = {
    "several": [(0,), (1,), (), (0, 1), (), (1,)],
    "unsorted": [(0,), (1, 0), (), (0, 1), (), (1,)],
    "mixed": [(0,), 1, (), (0, 1), (), (1,)],
    "lacking": [(0,), (), (), (0,), (), ()],
}
"""Labels of images that may have any number."""


@dataclass(frozen=True)
class Shapes:
    fault: str = ""

    def build(self):  # noqa: C901 - a fault each
        names, labels = [f"{i}.png" for i in range(6)], [0, 1, 0, 1, 0, 1]
        labels = SEVERAL.get(self.fault, labels)
        classes: Any = ("circle", "square")
        read: Any = image
        match self.fault:
            case "order":
                names = names if again("order") % 2 else names[::-1]
            case "hash":
                names = sorted(names, key=hash)
            case "labels":
                labels = labels[1:]
            case "range":
                labels = [0, 1, 2, 0, 1, 0]
            case "tensor":
                labels = torch.tensor(labels)
            case "absent":
                labels = [0] * 6
            case "names":
                names[1] = names[0]
            case "classes":
                classes = ["circle", "square"]
            case "twins":
                classes = ("circle", "circle")
            case "lone":
                classes, labels = ("circle",), [0] * 6
            case "local":
                read = lambda index: image(index)  # noqa: E731
            case "noise":
                read = noise
            case "text":
                read = text
            case "garbage":
                read = garbage
            case "key":
                read = {}.__getitem__
            case "list":
                return [names, labels]
        part = Split(names, labels, read)
        held_out = HeldOut(0.5, "a note") if self.fault in ("shared", "note") else None
        return Splits(
            part, empty() if self.fault == "empty" else part, classes,
            notes=("a note",) if self.fault == "shared" else (),
            test=empty() if self.fault == "tested" else None,
            held_out=held_out,
        )  # fmt: skip

    def build_with(self, test, columns):
        built = self.build()
        return replace(built, eval=built.train, train=empty()) if self.fault == "with" else built


RULES.each(
    "dataset",
    Shapes,
    order="lists different images, or in another order, when it is built again",
    hash="gives something else in a second process, which has another hash seed",
    labels="has 5 labels for 6 images of its train split",
    range="has a label [2] in its train split",
    tensor="a label is a Python int",
    absent="has no train image of ['square']",
    unsorted="has a label [(1, 0)] in its train split",
    mixed="has labels that are indices and labels that are tuples in its train split",
    lacking="has no train image of ['square']",
    names="has 1 names twice in its train split",
    classes="gives classes = ['circle', 'square']",
    twins="has two classes called ['circle']",
    lone="has classes = ('circle',)",
    local="gives its train split a read that cannot be pickled",
    noise="reads different bytes as 0.png again",
    text="reads a str as 0.png",
    garbage="fails in decoding 0.png",
    key="fails in read(0) of its train split: KeyError",
    list="builds a list",
    empty="has no image in its eval split",
    **{"with": "lists other images in build_with(None, ()) than in build()"},
    tested="has no image in its test split",
    shared="has '0.png' in train and in eval, and says that eval was held out",
    note="gives held_out = HeldOut(fraction=0.5, note='a note')",
)
WHOLES = [Shapes(), Shapes("several")]

"""The prediction for one image."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import nlargest
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from tlf.results import Neighbour


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image."""

    label: str
    """The most probable class."""
    probability: float
    """The probability of that class."""
    probabilities: Mapping[str, float] = field(repr=False)
    """Class → probability, in the order of the logits; they sum to 1."""
    path: str | None = None
    """The path of the image, if it was given by path."""
    kept: tuple[str, ...] | None = None
    """The labels that are probable enough to be kept, the best first: the true one is among them at
    the rate of the run's ``coverage``. None where the model's file has no threshold."""
    unlike: bool | None = None
    """Whether the image is unlike all train images. None where that is not known or not asked."""
    nearest: tuple["Neighbour", ...] = field(default=(), repr=False)
    """The train images that are most similar to it, if they were asked for."""

    ranked: ClassVar[str] = "predicted"
    """What tables call one of the most probable classes."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that the image is predicted to have: the most probable one."""
        return (self.label,)

    @property
    def unsure(self) -> bool:
        """Whether not exactly one label is kept: several are probable enough, or none is."""
        return self.kept is not None and len(self.kept) != 1

    def top(self, count: int) -> list[tuple[str, float]]:
        """The most probable classes with their probabilities, ``count`` at most.

        >>> Prediction("ant", 0.6, {"bee": 0.3, "ant": 0.6, "fly": 0.1}).top(2)
        [('ant', 0.6), ('bee', 0.3)]
        """
        return nlargest(count, self.probabilities.items(), key=itemgetter(1))

    @property
    def answer(self) -> Mapping[str, str | list[str]]:
        """What is predicted, under the name that files have for it.

        >>> Prediction("ant", 0.6, {"bee": 0.4, "ant": 0.6}).answer
        {'predicted': 'ant'}
        """
        return {"predicted": self.label}

    def as_json(self, top: int | None = None) -> dict[str, Any]:
        """What programs get: path, predicted class, class → probability. With ``top``, the most
        probable classes in falling order, otherwise all in the order of the model. What the run can
        say of doubts and of train images follows.

        >>> Prediction("ant", 0.6, {"bee": 0.4, "ant": 0.6}, "a.jpg", kept=("ant",)).as_json(1)
        {'path': 'a.jpg', 'predicted': 'ant', 'probabilities': {'ant': 0.6}, 'unsure': None}
        """
        shown = self.probabilities if top is None else dict(self.top(top))
        found: dict[str, Any] = {
            "path": self.path,
            **self.answer,
            "probabilities": {name: float(exact(figure)) for name, figure in shown.items()},
        }
        if self.kept is not None:
            found["unsure"] = [*self.kept] if self.unsure else None
        if self.unlike is not None:
            found["unlike"] = self.unlike
        if self.nearest:
            found["nearest"] = [
                {"path": near.name, "label": near.label, "similarity": round(near.similarity, 6)}
                for near in self.nearest
            ]
        return found

    def shown(self, count: int | None) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """Columns for a person: a title, and the classes in it with their probabilities.

        ``count``: so many of the most probable classes; None: two.

        >>> two = {"ant": 0.6, "bee": 0.3, "fly": 0.1}
        >>> [title for title, _ in Prediction("ant", 0.6, two).shown(None)]
        ['prediction', 'runner-up']
        """
        names = ["prediction", "runner-up", "third"]
        for place, one in enumerate(self.top(2 if count is None else count)):
            yield (names[place] if place < len(names) else f"{place + 1}th"), [one]


@dataclass(frozen=True)
class MultiLabelPrediction(Prediction):
    """The prediction for an image that may have any number of labels.

    ``label`` is the most probable class, whether its threshold is reached or not. Probabilities
    need not sum to 1, and ``kept`` is None.
    """

    labels: tuple[str, ...] = ()
    """The classes whose probability is at least their threshold, the most probable first."""

    ranked: ClassVar[str] = "class"

    @property
    def answer(self) -> Mapping[str, str | list[str]]:
        """What is predicted, under the name that files have for it.

        >>> MultiLabelPrediction("ant", 0.6, {"bee": 0.5, "ant": 0.6}, labels=("ant",)).answer
        {'predicted_labels': ['ant']}
        """
        return {"predicted_labels": [*self.labels]}

    def shown(self, count: int | None) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """Columns for a person: the labels, and then so many of the most probable classes."""
        yield "predicted labels", [(name, self.probabilities[name]) for name in self.labels]
        for place, one in enumerate(self.top(count or 0), 1):
            yield ("most probable" if place == 1 else f"class {place}"), [one]


EXACT = "%.9g"
"""How a float32 is written so that it is read as the same float32: that takes 9 significant
digits."""


def exact(probability: float) -> str:
    """A float32 as text, which is read as the same float32.

    >>> exact(0.25), exact(0.3333333432674408), exact(1.1920928955078125e-07)
    ('0.25', '0.333333343', '1.1920929e-07')
    """
    return EXACT % probability


def exact_each(probabilities: Collection[float]) -> list[str]:
    """The same of each, at once: one by one, those of thousands of classes take longer.

    >>> exact_each([0.25, 0.3333333432674408])
    ['0.25', '0.333333343']
    """
    return (f"{EXACT} " * len(probabilities) % (*probabilities,)).split()

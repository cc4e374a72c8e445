"""Which labels look wrong, where an image has any number? Each class is judged by itself: has an
image it, or not? The rule for two classes says which images look like the other side.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlf.checks.label_suspects import find_suspects
from tlf.checks.probe import FOLDS, out_of_fold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Decision:
    """A class that an image seems to lack, or to have wrongly."""

    image: int
    column: int
    """The class."""
    own_probability: float
    """Of what the label says: that the image has the class, or that it has not."""
    proposed_probability: float
    """Of the opposite."""


def find_decisions(
    rows: "NDArray[np.float32]",
    labels: "NDArray[np.bool_]",
    groups: "NDArray[np.int64]",
    seed: int,
) -> tuple[Decision, ...]:
    """Decisions that look wrong, the least probable label first.

    Parameters:
        rows: (N, D), embeddings of length 1.
        labels: (N, K), whether each image has each class.
        groups: (N,), the number of the group that must be in one fold.
        seed: what the folds are drawn from.
    """
    import numpy as np

    found = []
    for column in judged(labels, groups):
        has = labels[:, column].astype(np.int64)
        suspects = find_suspects(out_of_fold(rows, has, groups, seed), has)
        found += [
            Decision(one.image, column, one.own_probability, one.proposed_probability)
            for one in suspects
        ]
    return tuple(sorted(found, key=lambda one: one.own_probability))


def judged(labels: "NDArray[np.bool_]", groups: "NDArray[np.int64]") -> list[int]:
    """The classes that enough different images have, and enough have not."""
    import numpy as np

    def enough(images: "NDArray[np.bool_]") -> bool:
        return len(np.unique(groups[images])) >= FOLDS

    return [k for k in range(labels.shape[1]) if enough(labels[:, k]) and enough(~labels[:, k])]

"""Which labels look wrong? Those that a probe takes for another class, and whose own class it
believes in no more than it does for the average image of that other class.

FINDING.md has the rule, and what it finds of planted wrong labels.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Suspect:
    """An image whose label looks wrong."""

    image: int
    proposed: int
    """The class that it looks like."""
    own_probability: float
    proposed_probability: float


def find_suspects(
    probabilities: "NDArray[np.float64]", labels: "NDArray[np.int64]"
) -> tuple[Suspect, ...]:
    """Images whose label looks wrong, the least probable label first.

    Confident learning compares the probability of the proposed class with that of the images that
    have this label. Here, that of the own class is compared: a cat that is taken for a dog must be
    no more of a cat than the average dog is. Classes that look alike so bring fewer false alarms.
    For two classes, both are the same rule.

    Parameters:
        probabilities: (N, K), out of fold.
        labels: (N,).
    """
    import numpy as np

    classes = probabilities.shape[1]
    means = np.stack([probabilities[labels == each].mean(0) for each in range(classes)])
    each = np.arange(len(labels))
    own = probabilities[each, labels]
    others = probabilities.copy()
    others[each, labels] = -1
    best = others.max(1)
    proposed = (-others).argsort(1, kind="stable")[:, 0]
    found = np.flatnonzero((best > own) & (own <= means[proposed, labels]))
    found = found[np.argsort(own[found], kind="stable")]
    return tuple(Suspect(int(i), int(proposed[i]), float(own[i]), float(best[i])) for i in found)

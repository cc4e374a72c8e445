"""Which classes can hardly be told apart? Pairs whose images a probe takes for each other."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ERROR = 0.25
"""From this error on two classes are hardly told apart: half of what guessing gives."""
_DOUBT = 0.05
"""How often, at most, a check may list any pair whose true error is lower."""


@dataclass(frozen=True)
class Pair:
    """Two classes that can hardly be told apart."""

    classes: tuple[int, int]
    error: float
    """The rate at which their images are taken for each other; 0.5 is guessing."""
    images: int


def find_inseparable(
    probabilities: "NDArray[np.float64]", labels: "NDArray[np.int64]"
) -> tuple[Pair, ...]:
    """Pairs of classes that can hardly be told apart, the worst first.

    Between two classes, an image is taken for the one that is more probable beside its share of the
    images: a rare class would lose otherwise. A pair is listed where the lower bound of its error
    (Clopper-Pearson, for the number of pairs) is above ``_ERROR``: few images prove nothing.

    Parameters:
        probabilities: (N, K), out of fold.
        labels: (N,).
    """
    import numpy as np
    from scipy.special import betaincinv

    counts = np.bincount(labels, minlength=probabilities.shape[1])
    relative = probabilities / counts
    taken = np.stack([_taken(relative[labels == own], own) for own in range(len(counts))])
    one, other = np.triu_indices(len(counts), 1)
    wrong, images = taken[one, other] + taken[other, one], counts[one] + counts[other]
    # Without an error the bound is 0; the quantile is not defined.
    bound = betaincinv(np.maximum(wrong, 1e-9), images - wrong + 1, _DOUBT / len(one))
    error = wrong / images
    listed = np.flatnonzero(bound > _ERROR)
    return tuple(
        Pair((int(one[i]), int(other[i])), float(error[i]), int(images[i]))
        for i in listed[np.argsort(-error[listed], kind="stable")]
    )


def _taken(relative: "NDArray[np.float64]", own: int) -> "NDArray[np.float64]":
    """How many images of a class are taken for each other one (K,); a tie counts half."""
    import numpy as np

    margin = relative - relative[:, [own]]
    taken = (margin > 0).sum(0) + 0.5 * (margin == 0).sum(0)
    taken[own] = 0
    return np.asarray(taken, np.float64)

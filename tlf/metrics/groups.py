"""Images that belong together, such as those of a patient or the frames of a film.

They are right or wrong together, so figures vary with the groups that were drawn, not with single
images. A group counts as one draw. ``groups`` is (N,) everywhere: the same number for images of one
group.
"""

from math import pi
from typing import TYPE_CHECKING, Any, overload

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.integer]
    Floats = NDArray[np.float64]

FEWEST = 5
"""Fewer groups allow no interval and no claim: they say too little about how groups vary. Nor do
fewer images in a comparison by mAP."""


@overload
def count(groups: "Integers") -> int: ...
@overload
def count(groups: "Integers | None") -> int | None: ...
def count(groups: "Integers | None") -> int | None:
    """How many groups there are; None where they are not known."""
    return None if groups is None else len(np.unique(groups))


@overload
def numbered(groups: "Integers") -> "NDArray[np.intp]": ...
@overload
def numbered(groups: None) -> None: ...
def numbered(groups: "Integers | None") -> "NDArray[np.intp] | None":
    """The same groups, numbered from 0 without a gap; None where they are not known."""
    return None if groups is None else np.unique(groups, return_inverse=True)[1]


def sums(values: "NDArray[Any]", groups: "Integers") -> "NDArray[Any]":
    """What the images of each group sum up to (…, G). ``values``: (…, N)."""
    own = numbered(groups)
    order = np.argsort(own, kind="stable")
    starts = np.flatnonzero(np.diff(own[order], prepend=-1))
    summed: NDArray[Any] = np.add.reduceat(values[..., order], starts, axis=-1)
    return summed


def influences(values: "Floats", groups: "Integers") -> "Floats":
    """What each group counts for the mean over images (…, G): numbers whose mean is that mean, and
    whose variance over their number is its variance, where groups are drawn and may differ in size
    (the linearised ratio of two sums; Cochran, 1977). ``values``: (…, N).
    """
    mean = values.mean(-1, keepdims=True)
    deviations = sums(values - mean, groups)
    each: Floats = mean + deviations * (deviations.shape[-1] / values.shape[-1])
    return each


def groups_having(marks: "NDArray[np.bool_]", groups: "Integers") -> "NDArray[np.int64]":
    """In how many groups an image has each mark (K,). ``marks``: (N, K)."""
    counts: NDArray[np.int64] = (sums(marks.T.astype(np.float64), groups) > 0).sum(1)
    return counts


def groups_of_classes(labels: "Integers", classes: int, groups: "Integers") -> "NDArray[np.int64]":
    """In how many groups an image has each class (K,). ``labels``: (N,), from 0."""
    pairs = np.unique(np.stack([labels, numbered(groups)]), axis=1)
    return np.bincount(pairs[0], minlength=classes)


def sign_test(differences: "Integers") -> float:
    """McNemar's exact test, two-sided, with groups as draws: how probable so large a sum of
    ``differences`` (G,) is, if each of them might as well have the other sign.

    Where each group has one image, it is McNemar's own. The sum over all signs is a sum of
    independent draws, so its distribution is a product of characteristic functions.
    """
    sizes, times = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    most = int((sizes * times).sum())
    if not most:
        return 1.0
    angles = -2j * pi * np.arange(most + 1) / (most + 1)
    spectrum = np.ones(most + 1, dtype=complex)
    for size, number in zip(sizes.tolist(), times.tolist(), strict=True):
        spectrum *= ((1 + np.exp(angles * size)) / 2) ** number
    chances = np.fft.ifft(spectrum).real  # of each sum of the sizes with a positive sign
    extreme = np.abs(2 * np.arange(most + 1) - most) >= abs(int(differences.sum()))
    return float(min(1.0, max(chances[extreme].sum(), 2.0 ** (1 - int(times.sum())))))

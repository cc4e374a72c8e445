"""Images that show the same: equal bytes, and near-duplicates.

First, candidates: the images that are most like each, by their embeddings and by their coarse
pixels. Then their pixels decide. FINDING.md has the rule, its threshold and how it was measured.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlf.checks.appearances import SIDE, Appearances
from tlf.checks.neighbours import nearest, unit
from tlf.checks.same_picture import picture_similarity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.float32]

SAME = 0.6
"""From this similarity on two images are near-duplicates. Chosen on CIFAR-10: below it, other
pictures of the same kind begin. See FINDING.md for what it finds in another set."""
_CANDIDATES = 5
"""Nearest images that are compared with each, by embeddings and by coarse pixels."""
_PERHAPS = 0.5
"""From this similarity at half of the side on, a pair is compared at its whole side, which takes
twelve times as long. All 2,500 planted copies have at least 0.59."""
_COARSE = 8
"""Side of the coarse pixels."""


@dataclass(frozen=True)
class Group:
    """Images that show the same."""

    images: tuple[int, ...]
    """Their positions."""
    equal: tuple[int, ...]
    """For each the position of the first image with the same bytes."""
    similarity: float
    """The least similarity of two of them that were found to show the same."""


def find_duplicates(appearances: Appearances, rows: "Rows") -> tuple[Group, ...]:
    """Groups of images that show the same; an image is in one group at most.

    Images of equal bytes are compared with others once. So a large group of them costs nothing.

    Parameters:
        appearances: what N images look like.
        rows: their embeddings as directions (N, D).
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    equal = _first_of_equal(list(appearances.digests))
    # Small images that are equal, such as blank ones, need no comparison.
    alike = equal[_first_of_equal([image.tobytes() for image in appearances.small])]
    kept = np.unique(alike)
    one, other, similarity = _near(appearances.small[kept], rows[kept])
    count = len(equal)
    begins = np.concatenate([np.arange(count), np.arange(count), kept[one]])
    ends = np.concatenate([equal, alike, kept[other]])
    values = np.concatenate([np.ones(2 * count), similarity])
    graph = coo_array((np.ones(len(begins)), (begins, ends)), shape=(count, count))
    number, members = connected_components(graph, directed=False)
    least = np.ones(number)
    np.minimum.at(least, members[begins], values)
    order = np.argsort(members, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(members[order])) + 1)
    return tuple(
        Group(tuple(part.tolist()), tuple(equal[part].tolist()), float(least[members[part[0]]]))
        for part in parts
        if len(part) > 1
    )


def _first_of_equal(values: list[bytes]) -> "NDArray[np.int64]":
    """The position of the first equal value, for each value."""
    import numpy as np

    first: dict[bytes, int] = {}
    return np.array([first.setdefault(value, i) for i, value in enumerate(values)], np.int64)


def _near(
    small: "NDArray[np.uint8]", rows: "Rows"
) -> "tuple[NDArray[np.int64], NDArray[np.int64], Rows]":
    """The pairs of near-duplicates, and their similarities."""
    import numpy as np

    if len(small) < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    even, odd = _coarse(small)
    found = np.hstack([nearest(rows, _CANDIDATES), nearest(even, _CANDIDATES, odd)])
    pairs = np.stack([np.arange(len(small)).repeat(found.shape[1]), found.ravel()])
    one, other = np.unique(np.sort(pairs, 0), axis=1)
    halved = small.reshape(-1, SIDE // 2, 2, SIDE // 2, 2).mean((2, 4), np.float32)
    perhaps = picture_similarity(halved, one, other) >= _PERHAPS
    one, other = one[perhaps], other[perhaps]
    similarity = picture_similarity(small, one, other)
    same = similarity >= SAME
    return one[same], other[same], similarity[same]


def _coarse(small: "NDArray[np.uint8]") -> "tuple[Rows, Rows]":
    """Coarse pixels (N, …) with mean 0 and length 1, in two parts: what stays when an image is
    mirrored, and what changes its sign.
    """
    import numpy as np

    area = SIDE // _COARSE
    means = small.reshape(-1, _COARSE, area, _COARSE, area).mean((2, 4), np.float32)
    rows = means.reshape(len(small), -1)
    images = unit(rows - rows.mean(1, keepdims=True)).reshape(means.shape)
    # The right half of each part repeats the left one.
    left, right = np.split(images, 2, -1)
    mirrored = right[..., ::-1]
    even, odd = (left + mirrored) / 2**0.5, (left - mirrored) / 2**0.5
    return even.reshape(len(small), -1), odd.reshape(len(small), -1)

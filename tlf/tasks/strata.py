"""Hold images out so that every class stays in both splits, where an image has several classes.

Source: the rarest class first, Sechidis et al. 2011, "On the stratification of multi-label data"
(ECML PKDD).
"""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

NOTHING = -1
"""The stratum of images without a class."""


def rarest(labels: Sequence[tuple[int, ...]]) -> list[int]:
    """The stratum of each image: the one of its classes that the fewest images have.

    >>> rarest([(0, 1), (0,), (0, 1), ()])
    [1, 0, 1, -1]
    """
    counts = Counter(chain.from_iterable(labels))
    return [min(label, key=lambda k: (counts[k], k), default=NOTHING) for label in labels]


def share(fraction: float, images: int, most: int) -> int:
    """How many images of a stratum are held out: a fraction of them, and one at least; ``most``
    where these are more.

    >>> share(0.25, 9, 8), share(0.25, 2, 1), share(0.25, 1, 0)
    (2, 1, 0)
    """
    return max(0, min(max(1, round(fraction * images)), most))


def held_out(
    labels: Sequence[tuple[int, ...]], ranks: Sequence[bytes], fraction: float
) -> set[int]:
    """The indices of images that are held out: a fraction of the images of each class, at least one
    of a class that two images have. No class loses its last image to them.

    Rare classes come first. A frequent class takes images first that no rarer class has: where
    rare classes have held out enough of it already, it takes none.

    >>> sorted(held_out([(0, 1), (0,), (0, 1), (0,), ()], [b"a", b"b", b"c", b"d", b"e"], 0.5))
    [0, 1]

    Parameters:
        labels: the classes of each image.
        ranks: in this order, images of a class are held out.
        fraction: how much of each class is held out.
    """
    own, left = rarest(labels), Counter(chain.from_iterable(labels))
    members: dict[int, list[int]] = {}
    for image, label in enumerate(labels):
        for k in label or (NOTHING,):
            members.setdefault(k, []).append(image)
    chosen: set[int] = set()
    for k in sorted(members, key=lambda k: (len(members[k]), k)):
        images = members[k]
        wanted = share(fraction, len(images), len(images) - 1)
        wanted -= sum(image in chosen for image in images)
        for image in sorted(images, key=lambda image: (own[image] != k, ranks[image])):
            if wanted > 0 and image not in chosen and all(left[c] > 1 for c in labels[image]):
                chosen.add(image)
                left.subtract(labels[image])
                wanted -= 1
    return chosen

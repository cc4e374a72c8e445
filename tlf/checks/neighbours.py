"""The nearest images of each image. Memory is bounded: similarities are computed block by block."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

_BLOCK = 2**24
"""Similarities that are held at once: 64 MiB."""
_RUN = 64
"""Similarities whose greatest is found first: only the runs with the greatest are sorted."""
_OWN = -2.0
"""The similarity of an image to itself, and to none: no image is its own neighbour."""

DIMENSIONS = 128
"""Embeddings are reduced to so many principal components. On CIFAR-10, a probe ranked planted wrong
labels as well as on all 1,280 dimensions (average precision 0.73), in a tenth of the time."""


def directions(embeddings: "Tensor") -> "Tensor":
    """Embeddings (N, F) → (N, at most ``DIMENSIONS``), of length 1. Their products are similarities
    from -1 to 1: what all images share is subtracted first, so unlike images are near 0.
    """
    import torch
    from sklearn.utils.extmath import randomized_svd
    from torch.nn.functional import normalize

    count = min(DIMENSIONS, *embeddings.shape)
    centred = embeddings - embeddings.mean(0)
    left, sizes, _ = randomized_svd(centred.numpy(), count, random_state=0)
    return normalize(torch.from_numpy(left * sizes).float())


def nearest(
    rows: "Tensor",
    count: int,
    mirrored: "Tensor | None" = None,
    of: "NDArray[np.int64] | None" = None,
) -> "NDArray[np.int64]":
    """The images that are most like each image: (N, at most ``count``), the most alike first.

    Parameters:
        rows: (N, D), of length 1.
        count: how many.
        mirrored: (N, E), the part of the rows that changes its sign where an image is mirrored.
            Then ``rows`` is the part that does not, and the better of both orientations counts.
        of: the images whose neighbours are found; None: all.
    """
    import torch

    asked = torch.arange(len(rows)) if of is None else torch.from_numpy(of)
    count, images = min(count, len(rows) - 1), len(rows)
    size = min(max(1, _BLOCK // images), len(asked))
    # Allocated once: new memory for each block would take as long as the products.
    similar = rows.new_full((size, -(-images // _RUN) * _RUN), _OWN)
    changing = None if mirrored is None else rows.new_empty(size, images)
    found = [torch.empty(0, count, dtype=torch.int64)]
    for part in torch.split(asked, max(1, size)):
        block = similar[: len(part)]
        products = torch.mm(rows[part], rows.T, out=block[:, :images])
        if mirrored is not None and changing is not None:
            products += torch.mm(mirrored[part], mirrored.T, out=changing[: len(part)]).abs_()
        block[torch.arange(len(part)), part] = _OWN
        found.append(_greatest(block, count).cpu())
    return torch.cat(found).numpy()


def _greatest(similar: "Tensor", count: int) -> "Tensor":
    """The places of the ``count`` greatest of each row, the greatest first. They are in the
    ``count`` runs whose own greatest are the greatest.
    """
    runs = similar.view(len(similar), similar.shape[1] // _RUN, _RUN)
    best = runs.amax(2).topk(min(count, runs.shape[1])).indices
    among = runs.gather(1, best[..., None].expand(-1, -1, _RUN)).flatten(1)
    places = among.topk(count).indices
    greatest: Tensor = best.gather(1, places // _RUN) * _RUN + places % _RUN
    return greatest

"""The images of both splits with their embeddings: what is compared. No torch is needed for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlf.components import Splits
from tlf.data.inspection.readable import Unreadable
from tlf.tasks import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class EmbeddedSplits:
    """The readable images of both splits, and their embeddings in the same order."""

    splits: Splits
    task: Task
    train: "NDArray[np.float32]"
    """(N, F)."""
    eval: "NDArray[np.float32]"
    """(M, F)."""
    pixels: "Mapping[str, Callable[[int], NDArray[np.uint8]]]"
    """``train`` and ``eval`` → the decoded and resized image (C, H, W) of an index."""
    preprocessing: Mapping[str, Any]
    """How they are resized, as JSON values."""
    manifests: Mapping[str, str]
    """``train`` and ``eval`` → SHA-256 over the names, labels and bytes of their images."""
    unreadable: tuple[Unreadable, ...] = ()
    """Images that were left out."""

"""The draws of an epoch: numbers in arrays, because there may be very many."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from tlf.data.loading import Key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Draws(Sequence[Key]):
    """Draws in their order: each is a key, and a slice of them is a list."""

    numbers: "NDArray[np.integer]"
    """(N,), the number of each draw of an image."""
    indices: "NDArray[np.integer]"
    """(N,), which image it is."""

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, place: int) -> Key: ...
    @overload
    def __getitem__(self, place: slice) -> list[Key]: ...
    def __getitem__(self, place: int | slice) -> Key | list[Key]:
        if isinstance(place, slice):
            numbers, indices = self.numbers[place].tolist(), self.indices[place].tolist()
            return [*zip(numbers, indices, strict=True)]
        return int(self.numbers[place]), int(self.indices[place])

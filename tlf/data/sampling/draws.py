"""The draws of an epoch, without an object for each: there may be a million."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from tlf.data.listing.compact import Numbers
from tlf.data.loading import Key


@dataclass(frozen=True)
class Draws(Sequence[Key]):
    """Which images an epoch draws, in which order.

    >>> Draws(Numbers([4, 2]), 7)[0], [*Draws(Numbers([4, 2]), Numbers([0, 1]))]
    ((7, 4), [(0, 4), (1, 2)])
    """

    indices: Numbers
    turns: Numbers | int
    """What an image's augmentation is drawn from, beside its index: one number for all draws, or
    one for each."""

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, place: int) -> Key: ...
    @overload
    def __getitem__(self, place: slice) -> "Draws": ...
    def __getitem__(self, place: int | slice) -> "Key | Draws":
        turn = self.turns if isinstance(self.turns, int) else self.turns[place]
        if isinstance(place, slice):
            return Draws(self.indices[place], turn)
        assert isinstance(turn, int)
        return turn, self.indices[place]

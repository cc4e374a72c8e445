"""Find an image by the name that a table has for it, and the split that it is in now."""

from collections import Counter
from collections.abc import Mapping, Sequence

from tlf.runtime.text import printable


class Names:
    """The names of the images of a split, as a table shows them."""

    def __init__(self, names: Sequence[str]) -> None:
        self.shown = [*map(printable, names)]
        self.positions = {name.strip(): index for index, name in enumerate(self.shown)}
        self.positions |= {name: index for index, name in enumerate(self.shown)}
        self.doubled = {name for name, n in Counter(self.shown).items() if n > 1}

    def find(self, path: str) -> int | str:
        """The position of an image; or why there is none. Blanks around a path do not count, unless
        another image has such a name.
        """
        name = path if path in self.positions else path.strip()
        if name in self.doubled:
            return f"several images are called {name}"
        if name not in self.positions:
            return f"there is no image {name}"
        return self.positions[name]


def found_in(names: Mapping[str, Names], split: str, path: str) -> str:
    """The split that an image is in: ``split``, or the only other one that has its name. Where none
    has, it is ``split``. ``names``: split → the names of its images.
    """
    there = [name for name, own in names.items() if isinstance(own.find(path), int)]
    return there[0] if len(there) == 1 else split


def position(names: Mapping[str, Names], split: str, path: str) -> int | str:
    """The position of an image in a split; or why there is none."""
    if split not in names:
        return f"there is no {split} split; write train or eval"
    found = names[split].find(path)
    return found if isinstance(found, int) else f"{found} in the {split} split"

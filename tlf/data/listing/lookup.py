"""Find images by the names that a table gives them, and the split that each is in now."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tlf.runtime.text import printable


class Lookup:
    """The images of a split that paths of a table name, as the table shows them. No other image is
    kept: a table names few of very many.
    """

    def __init__(self, names: Sequence[str], paths: Iterable[str]) -> None:
        asked = {*paths}
        asked |= {path.strip() for path in asked}
        every = ((printable(name), index) for index, name in enumerate(names))
        shown = [(name, i) for name, i in every if name in asked or name.strip() in asked]
        self.positions = {name.strip(): index for name, index in shown}
        self.positions |= dict(shown)
        self.doubled = {name for name, n in Counter(name for name, _ in shown).items() if n > 1}

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


def found_in(names: Mapping[str, Lookup], split: str, path: str) -> str:
    """The split that an image is in: ``split``, or the only other one that has its name. Where none
    has, it is ``split``. ``names``: split → the names of its images.
    """
    there = [name for name, own in names.items() if isinstance(own.find(path), int)]
    return there[0] if len(there) == 1 else split


def position(names: Mapping[str, Lookup], split: str, path: str) -> int | str:
    """The position of an image in a split; or why there is none."""
    if split not in names:
        return f"there is no {split} split; write train or eval"
    found = names[split].find(path)
    return found if isinstance(found, int) else f"{found} in the {split} split"

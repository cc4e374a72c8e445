"""Find images by the names that a table gives them."""

from collections import Counter
from collections.abc import Iterable, Sequence

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

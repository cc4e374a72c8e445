"""Notes which rule a component breaks, and what is said of it."""

from collections.abc import Callable
from typing import Any

_COUNT: dict[str, int] = {}


class Rules(dict[str, tuple[str, str, Callable[[], object]]]):
    """Name → hook, what the sentence says, and how to make the component; for one hook."""

    def __init__(self, hook: str):
        super().__init__()
        self.hook = hook

    def note(self, name: str, told: str, make: Callable[[], object]) -> None:
        self[name] = self.hook, told, make

    def broken(self, told: str, **options: Any) -> Callable[[type], type]:
        """Note a class that breaks one, with these options."""

        def note(cls: type) -> type:
            self.note(cls.__name__, told, lambda: cls(**options))
            return cls

        return note

    def each(self, prefix: str, cls: Callable[[str], object], /, **told: str) -> None:
        """Note a class that breaks another with each fault that it is made with."""
        for fault, sentence in told.items():
            self.note(f"{prefix}-{fault}", sentence, lambda fault=fault: cls(fault))


def again(name: str) -> int:
    """How often it was called."""
    _COUNT[name] = _COUNT.get(name, 0) + 1
    return _COUNT[name]

"""Which rule a component breaks, and the message that its check gives."""

from collections.abc import Callable
from typing import Any

import pytest

_COUNT: dict[str, int] = {}


class Rules(dict[str, tuple[str, Callable[[], object]]]):
    """Name → part of the message, and how to make the component."""

    def note(self, name: str, message: str, make: Callable[[], object]) -> None:
        self[name] = message, make

    def broken(self, message: str, **options: Any) -> Callable[[type], type]:
        """Note a class that breaks a rule, with these options."""

        def note(cls: type) -> type:
            self.note(cls.__name__, message, lambda: cls(**options))
            return cls

        return note

    def each(self, prefix: str, cls: Callable[[str], object], /, **messages: str) -> None:
        """Note a class that breaks another rule with each of its faults."""
        for fault, message in messages.items():
            self.note(f"{prefix}-{fault}", message, lambda fault=fault: cls(fault))

    def assert_named(self, name: str, check: Callable[[Any], None]) -> None:
        """Assert that a check names the rule, in one line, with the contract."""
        part, make = self[name]
        with pytest.raises(AssertionError) as caught:
            check(make())
        message = str(caught.value)
        assert part in message
        assert ". The contract: " in message
        assert "\n" not in message


def again(name: str) -> int:
    """How often it was called with this name."""
    _COUNT[name] = _COUNT.get(name, 0) + 1
    return _COUNT[name]

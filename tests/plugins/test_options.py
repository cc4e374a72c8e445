"""Which types the options of components may have."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NewType

import pytest
import torch

from tlf.plugins.options import option_fault


class Way(enum.Enum):
    SUM = "sum"
    MEAN = 2


class Odd(enum.Enum):
    PAIR = (1, 2)


@dataclass(frozen=True)
class Part:
    at: Path
    like: "Part | None" = None


@dataclass(frozen=True)
class Wrong:
    days: tuple[date, ...]


def component(hint):
    return make_dataclass("Component", [("option", hint)], frozen=True)


@pytest.mark.parametrize(
    "hint",
    [bool, int, float, str, Path, Way, Part, Any, list, dict, int | None, Literal["a", 1],
     Annotated[float, "at least 0"], tuple[int, float], tuple[Part, ...], list[Part],
     Sequence[Way], Mapping[str, Part], dict[str, list[Path]], NewType("Name", str),
     tuple[Annotated[int, "few"], ...] | Literal["all"]],
    ids=str,
)  # fmt: skip
def test_types_that_a_recipe_can_say(hint):
    assert option_fault(component(hint)) is None


@pytest.mark.parametrize(
    ("hint", "named"),
    [(date, "date"), (set[int], "set"), (bytes, "bytes"), (complex, "complex"), (object, "object"),
     (PurePosixPath, "PurePosixPath"), (Odd, "Odd"), (torch.Tensor, "Tensor"), (Wrong, "date"),
     (Callable[[int], int], "Callable"), (Mapping[int, str], "Mapping"), (type, "type"),
     (list[tuple[date, ...]], "date"), (int | torch.nn.Module, "Module"),
     (Literal[b"x"], "Literal")],
    ids=str,
)  # fmt: skip
def test_types_that_no_recipe_can_say(hint, named):
    fault = option_fault(component(hint))
    assert fault.startswith("its option 'option' has the type ")
    assert named in fault.partition(", which no option can have; write bool, int, ")[0]


def test_a_type_that_is_not_imported():
    assert option_fault(component("Absent")).startswith("the types of its options cannot be read")

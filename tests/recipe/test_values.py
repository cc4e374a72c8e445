"""One value is checked against one type, and problems are reported in TOML's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Annotated, Literal

import pytest
from pydantic import Field

from tlf.recipe.values import Problem, expected, fit, join, misfit, shown

Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Point:
    x: float = 0.0


@pytest.mark.parametrize(
    ("hint", "value", "result"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (Positive, 0.5, 0.5),
        (bool, True, True),
        (tuple[int, ...], [1, 2], (1, 2)),
        (Literal["a", "b"], "a", "a"),
    ],
)
def test_values_that_fit(hint, value, result):
    fitted, problems = fit(hint, value, "x")
    assert problems == []
    assert fitted == result
    assert type(fitted) is type(result)


@pytest.mark.parametrize(
    ("hint", "value", "problem"),
    [
        (int, 1.0, "x: must be a whole number, got 1.0 (a decimal number)"),
        (int, True, "x: must be a whole number, got true (a boolean)"),
        (str, date(2024, 5, 1), "x: must be a string, got 2024-05-01 (a date or time; quotes"),
        (Positive, 0, "x: must be above 0, got 0 (a whole number)"),
        (Annotated[int, Field(ge=1)], 0, "x: must be at least 1, got 0 (a whole number)"),
        (Annotated[int, Field(le=2**32 - 1)], 2**32, "x: must be at most 4294967295, got 4294967"),
        (float, float("nan"), "x: must be a finite number, got nan (a decimal number)"),
        (tuple[int, ...], [1, "b"], "x.1: "),
        (Annotated[tuple[int, ...], Field(min_length=1)], [], "x: must have at least 1 items"),
        (Literal["relu", "gelu"], "rellu", 'x: must be one of the choices, got "rellu"; did you'),
        (
            memoryview,
            1,
            "x: its type memoryview cannot be written in TOML; report it to the",
        ),
    ],
)
def test_values_that_do_not_fit(hint, value, problem):
    fitted, problems = fit(hint, value, "x")
    assert fitted is None
    assert str(problems[0]).startswith(problem)


def test_a_list_of_wrong_values_is_not_too_short():
    _, problems = fit(Annotated[tuple[Positive, ...], Field(min_length=1)], [0, 1], "x")
    assert [*map(str, problems)] == ["x.0: must be above 0, got 0 (a whole number)"]


def test_only_a_wrong_type_is_a_misfit():
    assert fit(int, "3", "x")[1][0].misfit
    assert not fit(Positive, 0, "x")[1][0].misfit
    assert misfit(int, "3", "x") == Problem("x", 'must be a whole number, got "3" (a string)', True)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (float | Mapping[str, float], "a number or a table of numbers"),
        (int | None, "a whole number"),
        (Literal["a"], '"a"'),
        (tuple[Point, ...], "a list of [[tables]]"),
        (Point, "a table"),
        (memoryview, "a memoryview"),
    ],
)
def test_types_are_named_in_tomls_words(hint, words):
    assert expected(hint) == words


def test_long_strings_are_shown_shortened():
    assert shown("x" * 60) == f'"{"x" * 60}" (a string)'
    assert shown("x" * 61) == f'"{"x" * 57}..." (a string)'
    assert shown({}) == "a table"
    assert shown(time(7, 30)).startswith("07:30:00 (a date or time")


def test_keys_with_dots_are_quoted_in_a_path():
    assert join("lr", "layer.é") == 'lr."layer.é"'
    assert str(Problem("", "text")) == "text"

"""Text of any size, depth and number is read quickly, or refused with a sentence."""

import time
import tomllib

import pytest

from tlf.recipe.toml import DEEPEST, LONGEST, faults, parse


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = " + "9" * 5000, "a whole number must have at most 19 digits"),
        ("a = " + "[" * 400 + "]" * 400, "must not be nested deeper than 20 levels"),
        ("\na" + ".a" * 400 + " = 1", "line 2: a key must not be nested deeper than 20 levels"),
        ("[a" + " . a" * 400 + "]", "line 1: a key must not be nested"),
        ("x = {a" + ".a" * 400 + " = 1}", "line 1: a key must not be nested"),
        ("\n".join(f"k{i} = 1" for i in range(600_000)), "at most 100,000 characters, got 7,088,8"),
    ],
    ids=["digits", "lists", "dots", "header", "inline", "keys"],
)
def test_text_beyond_the_bounds_is_refused_at_once(text, message):
    started = time.perf_counter()
    try:
        problems = [str(problem) for problem in faults(parse(text))]
    except ValueError as error:
        problems = [str(error)]
    assert any(message in problem for problem in problems), problems
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"seed": 2**63},
            "seed: must be a whole number from -9223372036854775808 to 9223372036854775807",
        ),
        (
            {"seed": int("f" * 5000, 16)},
            "seed: must be a whole number from -9223372036854775808 to 9223372036854775807",
        ),
        ({"a": [{"lr": -1e308}]}, "a.0.lr: must be a number from -3e+38 to 3e+38, got -1e+308"),
        ({"output": "a\0b"}, "output: must not contain the character NUL"),
        ({"a": {"b\0": 1}}, "a: a key must not contain the character NUL"),
        ({"data": {"root": "caf\udce9"}}, "data.root: must be UTF-8 text, got 'caf\\udce9'"),
        ({"x" * 300: 1}, "a key must have at most 200 characters, got 300"),
        ({"x": "y" * 20_000}, "x: must have at most 10,000 characters, got 20,000"),
    ],
)
def test_values_beyond_the_bounds_are_named(table, message):
    (problem,) = faults(table)
    assert str(problem).startswith(message)


def test_what_is_nested_without_an_end_is_not_followed():
    deep = value = {}
    for _ in range(10_000):
        value["a"] = value = {}
    (problem,) = faults(deep)
    assert problem.path.count("a") == DEEPEST + 1


def test_what_a_recipe_holds_is_within_the_bounds():
    table = {"a": [1, -(2**63), 2.5, float("inf"), float("nan"), True, "Ω"], "b": {"c.d": {}}}
    assert faults(table) == []
    assert parse("x = [" + "0.1, " * 2000 + "]") == {"x": [0.1] * 2000}
    assert parse("#" * LONGEST) == {}
    with pytest.raises(tomllib.TOMLDecodeError):
        parse("a = ")

"""Texts for an editor come from a class and the strings below its fields."""

from dataclasses import dataclass, make_dataclass

from tlf.recipe.reference.docstrings import described, field_texts


@dataclass(frozen=True)
class Warm:
    """Warm ``up``
    slowly.

    Then stay.
    """

    epochs: int = 1
    """How many
    ``epochs``."""
    silent: bool = False
    start: float = 0.1
    """Where it begins."""


@dataclass(frozen=True)
class Warmer(Warm):
    start: float = 0.2
    """Where it begins here."""


def test_paragraphs_are_lines_and_code_is_markdown():
    assert described(Warm) == "Warm `up` slowly.\n\nThen stay."


def test_a_field_has_the_string_below_it():
    assert field_texts(Warm) == {"epochs": "How many `epochs`.", "start": "Where it begins."}


def test_a_class_overrides_its_bases():
    assert field_texts(Warmer) == {**field_texts(Warm), "start": "Where it begins here."}


def test_a_docstring_that_python_made_of_the_signature_is_none():
    assert described(Warmer) == ""


def test_a_class_without_source_has_no_texts():
    assert field_texts(make_dataclass("Made", [("size", int, 3)], frozen=True)) == {}

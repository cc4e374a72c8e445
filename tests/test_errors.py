import pickle

import pytest

from tlf import errors
from tlf.errors import MOST_KNOWN, RecipeError, StoppedError, TlfError, nearest

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and kind.__module__ == errors.__name__
    and not issubclass(kind, Warning)
]


def test_every_error_is_in_the_tree_of_the_documentation():
    for kind in KINDS:
        assert issubclass(kind, TlfError)
        assert f" {kind.__name__} " in errors.__doc__, kind
        assert kind.__doc__


def test_the_tree_shows_the_parents():
    parents = {}
    indents = [(-1, "")]
    for line in errors.__doc__.splitlines():
        words = line.strip("│├└─ ").split()
        if not words or not words[0].endswith("Error"):
            continue
        indent = line.index(words[0])
        indents = [(other, name) for other, name in indents if other < indent]
        parents[words[0]] = indents[-1][1]
        indents.append((indent, words[0]))
    bases = {kind.__name__: kind.__base__.__name__ for kind in KINDS}
    assert parents == bases | {"TlfError": ""}


MADE = {
    "RecipeError": lambda kind: kind(["a", "b"], "a.toml"),
    "StoppedError": lambda kind: kind("runs/a", "Ctrl-C"),
    "OutputError": lambda kind: kind(BrokenPipeError(32, "Broken pipe")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_back_from_another_process_as_it_was(kind):
    error = MADE.get(kind.__name__, lambda kind: kind("a message"))(kind)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_a_recipe_error_lists_all_problems_and_counts_them():
    one = RecipeError(["seed: must be a number"], "a.toml")
    assert str(one) == "a.toml: 1 problem\n  seed: must be a number"
    two = RecipeError(["a", "b"])
    assert str(two) == "recipe: 2 problems\n  a\n  b"
    assert (two.problems, two.source) == (("a", "b"), "recipe")


def test_a_stopped_run_says_how_to_resume_it():
    error = StoppedError("runs/a", by="SIGTERM")
    assert str(error) == "stopped by SIGTERM; resume with: tlf resume runs/a"
    assert str(StoppedError("my runs/a", "SIGTERM")).endswith("with: tlf resume 'my runs/a'")
    assert error.by == "SIGTERM"


@pytest.mark.parametrize("count", [MOST_KNOWN, MOST_KNOWN + 1])
def test_few_known_names_are_listed_and_of_many_the_nearest(count):
    known = [f"name{number:02}" for number in range(count)]
    message = nearest("name3", known)
    assert message.startswith("did you mean 'name")
    listed = message.partition("? ")[2]
    if count == MOST_KNOWN:
        assert listed == "Known: " + ", ".join(known)
    else:
        assert listed.startswith("Near: name")
        assert listed.count(", ") == 4


def test_of_many_names_without_a_near_one_the_number_is_given():
    assert nearest("xyz", [f"name{number}" for number in range(40)]) == "40 names are known"

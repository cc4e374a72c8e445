"""Arguments and options that several commands share mean the same in each."""

import pytest

from tlf.cli.main import cli
from tlf.commands import COMMANDS


def parameters(name):
    """Option or argument → its parameter, of one command."""
    return {parameter.name: parameter for parameter in cli.get_command(None, name).params}


@pytest.mark.parametrize(
    ("argument", "commands"),
    [
        ("recipe", {"run", "explain"}),
        ("overrides", {"run", "resume", "explain"}),
        ("run", {"resume", "stop", "predict", "export"}),
    ],
)
def test_they_are_written_alike_everywhere(argument, commands):
    found = {name: p[argument] for name in COMMANDS if argument in (p := parameters(name))}
    assert found.keys() == commands
    shown = {(one.opts[0], one.human_readable_name, str(one.type)) for one in found.values()}
    assert len(shown) == 1


def test_overrides_come_after_the_recipe(main, recipe, tmp_path):
    code, out, _ = main("explain", recipe, "seed=7", "--names", "phases.0.lr=0.5")
    assert code == 0
    assert "seed = 7" in out
    assert "5.00e-01" in out

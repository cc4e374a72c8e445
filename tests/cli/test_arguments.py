"""Arguments and options that several commands share mean the same in each."""

import os

import pytest

from tlf.cli.arguments import split_overrides
from tlf.cli.main import cli
from tlf.commands import COMMANDS


def parameters(name):
    """Option or argument → its parameter, of one command."""
    return {parameter.name: parameter for parameter in cli.get_command(None, name).params}


@pytest.mark.parametrize(
    ("argument", "commands"),
    [
        ("recipe", {"run", "explain", "simulate", "lr", "sweep"}),
        ("overrides", {"run", "resume", "check", "explain", "simulate", "lr"}),
        ("run", {"resume", "stop", "report", "predict", "export"}),
    ],
)
def test_they_are_written_alike_everywhere(argument, commands):
    found = {name: p[argument] for name in COMMANDS if argument in (p := parameters(name))}
    assert found.keys() == commands
    shown = {(one.opts[0], one.human_readable_name, str(one.type)) for one in found.values()}
    assert len(shown) == 1


def test_overrides_come_after_the_recipe(main, recipe, tmp_path):
    code, out, _ = main("explain", recipe, "seed=7", "--recipe", "phases.0.lr=0.5")
    assert code == 0
    assert "seed = 7" in out
    assert "5.00e-01" in out


@pytest.mark.parametrize("command", ["predict", "export", "schema"])
def test_a_file_to_write_is_no_stream(main, monkeypatch, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    needed = {"predict": ["run", "a.png"], "export": ["run", "--to", "head"], "schema": []}
    code, _, err = main(command, *needed[command], "--output", "-")
    assert (code, err) == (
        2, "error: --output must be the name of a file, got -; write a name, or leave it out\n",
    )  # fmt: skip
    # The file that a shell has opened would be replaced, with all that it held.
    kept, before = tmp_path / "all.csv", os.dup(1)
    kept.write_text("before")
    with kept.open("a") as file:
        os.dup2(file.fileno(), 1)
    try:
        code, _, err = main(command, *needed[command], "--output", kept)
    finally:
        os.dup2(before, 1)
        os.close(before)
    assert code == 2
    assert f"--output must not be the file of stdout, got {kept}; write another name" in err
    assert kept.read_text() == "before"
    assert [*tmp_path.iterdir()] == [kept]


def test_overrides_are_told_from_names_and_from_files_that_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b=1.toml").touch()
    long = f"phases={'x' * 5000}"
    given = ["a.toml", "phases.my-phase.lr=1", long, "b=1.toml", "timm/x@y=z", "{ kind = 'timm' }"]
    overrides, others = split_overrides(given)
    assert overrides == ["phases.my-phase.lr=1", long]
    assert others == [text for text in given if text not in overrides]

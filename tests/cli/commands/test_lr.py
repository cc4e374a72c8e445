"""``tlf lr``."""

import json
import tomllib
from dataclasses import replace

import pytest

from new_heads import HEAD as NEW_HEAD
from rates_found import FLAT, HEAD, TEST
from small import write_recipe
from tlf.cli.commands import lr as module
from tlf.studies.learning_rate.found import LearningRates


@pytest.fixture
def recipe(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_recipe(tmp_path / "mine.toml", images, NEW_HEAD)


def test_a_table_a_page_and_the_figures(main, recipe, tmp_path):
    status, out, err = main("lr", recipe, "--seeds", "1", "batch_size=4")
    assert (status, err) == (0, "")
    assert "phase     head: the head alone, 2 epochs" in out
    assert "page      learning-rates/mine/lr.html" in out
    (head,) = json.loads((tmp_path / "learning-rates/mine/lr.json").read_text())["phases"]
    line = out.partition("write in the phase head:\n\n")[2].splitlines()[0]
    assert tomllib.loads(line.strip()) == {"lr": head["suggestion"]}
    command = f"tlf {recipe} batch_size=4 phases.head.lr={head['suggestion']:g}"
    assert out.endswith(f"\nnext      {command}\n")


def test_the_next_command_quotes_what_a_shell_would_read():
    test = replace(TEST, phase="all but norms")
    assert [*module._suggested(LearningRates("a.toml", (HEAD, test, FLAT), "cpu"))] == [
        'phases."<head>".lr=0.01',
        'phases."all but norms".lr={ head = 0.00032, layer4 = 3.2e-05 }',
    ]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--phase", "heat"), "did you mean 'head'?"),
        (("--rates", "1", "0.1"), "with the lower one first, got 1.0 0.1"),
        (("--rates", "0", "0.1"), "rates must be above 0"),
        (("--rates", "-1", "0.1"), "rates must be above 0"),
        (("--rates", "0.1"), "--rates"),
        (("--seeds", "0"), "seeds must be 1 or more"),
        (("data.root=gone",), "gone"),
        (("phases.0.lr=-1",), "phases.0.lr"),
    ],
)
def test_mistakes_are_told_before_anything_is_computed(main, recipe, tmp_path, arguments, problem):
    status, _, err = main("lr", recipe, *arguments)
    assert status == 2
    assert problem in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


def test_ctrl_c_says_how_to_go_on(main, recipe, monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.tlf, "lr", interrupted)
    status, _, err = main("lr", recipe)
    assert status == 130
    assert err == (
        "stopped by Ctrl-C; what is computed is stored: write the same command to go on\n"
    )
    assert not (tmp_path / "learning-rates").exists()

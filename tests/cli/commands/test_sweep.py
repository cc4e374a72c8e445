"""``tlf sweep``."""

import json

import pytest

from small import TWO_PHASES, write_recipe
from tlf.studies.sweep import trial_runs

LR = "phases.head.lr=1e-3..1e-1"


@pytest.fixture
def one_phase(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = '[[phases]]\nname = "head"\nfreeze = "backbone"\nepochs = 1\nlr = 0.1\n'
    return write_recipe(tmp_path / "mine.toml", images, text).name


def test_trials_a_table_and_files(one_phase, main, tmp_path):
    command = ("sweep", one_phase, LR, "batch_size=4,8", "seed=3", "--sampler", "random")
    status, out, err = main(*command, "--trials", 2)
    assert (status, err) == (0, "")
    assert "\ntrial 1: " in out
    assert "; 2 of 2 done\n" in out
    (confirm,) = [line for line in out.splitlines() if line.startswith("confirm ")]
    assert f"how much? tlf compare {one_phase} sweep/best.toml --seeds 10 seed=3" in confirm
    assert out.endswith("page      sweep/sweep.html, with the figures in sweep.json beside it\n")
    assert len(json.loads((tmp_path / "sweep" / "sweep.json").read_text())["trials"]) == 2
    status, out, err = main(*command, "--trials", 2)
    assert (status, "\ntrial " in out) == (0, False)


def test_ctrl_c_says_how_to_go_on(one_phase, main, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(trial_runs, "run", interrupted)
    status, _, err = main("sweep", one_phase, LR)
    assert status == 130
    assert err == ("stopped by Ctrl-C; what is done is kept: write the same command to go on\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "tlf sweep needs a range, such as phases.0.lr="),
        ((LR, "--trials", 0), "trials must be 1 or more, got 0"),
        ((LR, "phases.all.lr=1..0.1"), "write phases.all.lr=0.1..1"),
        ((LR, "--sampler", "grid"), "a grid must have choices or whole numbers"),
    ],
)
def test_mistakes_are_told_and_leave_no_file(
    images, main, tmp_path, monkeypatch, arguments, problem
):
    monkeypatch.chdir(tmp_path)
    recipe = write_recipe(tmp_path / "mine.toml", images, TWO_PHASES)
    status, out, err = main("sweep", recipe, *arguments)
    assert (status, out) == (2, "")
    assert problem in err
    assert not (tmp_path / "sweep").exists()

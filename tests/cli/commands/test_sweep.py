"""``tlf sweep``."""

import json

import pytest

from small import TWO_PHASES, write_recipe
from tlf import load_recipe
from tlf.studies import study_runs

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
    told = "tlf compare sweep/base.toml sweep/best.toml --seeds 10 --output sweep/confirmed-"
    assert f"how much? {told}" in confirm
    comment = "# The recipe that was swept: mine.toml with seed=3. best.toml is the best.\n"
    assert (tmp_path / "sweep" / "base.toml").read_text().startswith(comment)
    assert out.endswith("page      sweep/sweep.html, with the figures in sweep.json beside it\n")
    assert len(json.loads((tmp_path / "sweep" / "sweep.json").read_text())["trials"]) == 2
    status, out, err = main(*command, "--trials", 2)
    assert (status, "\ntrial " in out) == (0, False)


@pytest.mark.parametrize(
    ("override", "varied", "chosen"),
    [
        ("optimizer=sgd", "optimizer.momentum=0.5,0.95", lambda made: made.optimizer.momentum),
        (
            "phases.0.lr={head=0.1, backbone=0.1}",
            "phases.0.lr.head=0.2,0.3",
            lambda made: made.phases[0].lr["head"],
        ),
    ],
)
def test_the_confirming_command_keeps_what_was_found(
    one_phase, main, tmp_path, override, varied, chosen
):
    command = ("sweep", one_phase, override, varied, "--sampler", "grid", "--trials", 1)
    status, out, err = main(*command)
    assert (status, err) == (0, "")
    command = out.partition("by how much? ")[2].partition("\n")[0]
    base, best = (load_recipe(file) for file in ("sweep/base.toml", "sweep/best.toml"))
    assert command.startswith("tlf compare sweep/base.toml sweep/best.toml --seeds 10 --output ")
    for file in ("sweep.html", "best.toml"):
        assert command in (tmp_path / "sweep" / file).read_text()
    assert chosen(best) == float(varied.partition("=")[2].partition(",")[0])
    assert base == load_recipe(one_phase, [override])


def test_ctrl_c_says_how_to_go_on(one_phase, main, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(study_runs, "run", interrupted)
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

"""A plugin fails while a run trains, is fixed, and the run is resumed: real processes."""

from itertools import count

import pytest

from forks import Fork
from places import ROOT

STEP = """
from tlf.hookspecs import hookimpl

@hookimpl
def tlf_training_step(model, images, labels, loss):
    logits = model(images)  # the statistics of BatchNorm have changed when it fails
    return loss(logits, labels).mean()
"""
BREAKS = STEP.replace(
    "    return",
    """    global calls
    calls += 1
    if calls == 5:
        labels["fifth"]
    return""",
).replace("@hookimpl", "calls = 0\n\n@hookimpl")
REPORTED = "error: plugin 'frail' (tlf-frail 1.0) failed in tlf_training_step: "


@pytest.fixture
def start(tmp_path, recipe):
    """Run tlf in a process of its own, with this source as the plugin ``frail``."""
    site = tmp_path / "site"
    info = site / "tlf_frail-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tlf-frail\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tlf]\nfrail = tlf_frail\n")

    started = count()

    def start(source, *arguments):
        (site / "tlf_frail.py").write_text(source)
        environment = {"PYTHONPATH": f"{site}:{ROOT}"}
        fork = Fork(["tlf", *arguments], ROOT, environment, tmp_path / f"printed{next(started)}")
        _, error = fork.communicate(timeout=300)
        return fork.returncode, error

    return start


def test_the_error_says_how_to_resume_and_the_resumed_run_ends_as_one_without_a_failure(
    start, recipe, tmp_path
):
    named = [recipe, "plugins=['frail']", "checkpoint_every={updates=1}"]
    code, error = start(BREAKS, *named)
    line = BREAKS.split("\n").index('        labels["fifth"]') + 1
    assert code == 2
    assert REPORTED in error
    folder = tmp_path / "run"
    assert f" (tlf_frail.py, line {line}); the run's last state is stored" in error
    assert f"when this is fixed, resume with: tlf resume {folder} --changed, or" in error
    assert "Traceback" not in error
    code, error = start(STEP, "resume", folder)
    assert code == 2
    assert "the code of the plugin 'frail' changed" in error
    code, error = start(STEP, "resume", folder, "--changed")
    assert code == 0, error
    code, error = start(STEP, *named, f"output={tmp_path / 'whole'}")
    assert code == 0, error
    for name in ("model.safetensors", "predictions.csv"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_without_a_stored_state_the_error_mentions_none(start, recipe):
    code, error = start(BREAKS, recipe, "plugins=['frail']")
    assert code == 2
    assert REPORTED in error
    assert "resume" not in error

"""What goes wrong in training is reported with how to resume."""

import pytest

from tlf.errors import PluginError, RunError
from tlf.runs.run import run as run_recipe


@pytest.mark.parametrize("stored", [True, False])
def test_a_plugin_that_fails_is_reported_with_how_to_resume(recipe, tmp_path, monkeypatch, stored):
    def fail(*_, **__):
        raise PluginError("plugin 'frail' failed")

    monkeypatch.setattr("tlf.runs.record.record_epoch", fail)
    often = ["checkpoint_every={updates=1}"] if stored else []
    with pytest.raises(PluginError) as raised:
        list(run_recipe(recipe, often))
    message, folder = str(raised.value), tmp_path / "run"
    assert message.startswith("plugin 'frail' failed")
    assert (
        f"when this is fixed, resume with: tlf resume {folder} --changed, or" in message
    ) == stored


LOST = RuntimeError("[…/gloo/transport/tcp/pair.cc:561] Connection closed by peer [10.0.0.2]:4")


@pytest.mark.parametrize("blamed", [False, True], ids=["by itself", "while a plugin computed"])
def test_a_lost_process_is_reported_with_how_to_resume(recipe, tmp_path, monkeypatch, blamed):
    def fail(*_, **__):
        if not blamed:
            raise LOST
        raise PluginError("plugin 'frail' failed") from LOST

    monkeypatch.setattr("tlf.runs.record.record_epoch", fail)
    with pytest.raises(RunError) as raised:
        list(run_recipe(recipe))
    assert str(raised.value) == (
        "another process of this run, at 10.0.0.2, has ended or cannot be reached: its own "
        f"messages may say why; resume with: tlf resume {tmp_path / 'run'}"
    )


def test_a_process_that_is_lost_before_training_leaves_no_folder(recipe, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise LOST

    monkeypatch.setattr("tlf.runs.record.open_job", fail)
    with pytest.raises(RunError, match=r"may say why; start all processes again$"):
        list(run_recipe(recipe))
    assert not (tmp_path / "run").exists()


def test_other_errors_keep_their_traceback(recipe, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("tlf.runs.record.record_epoch", fail)
    with pytest.raises(RuntimeError, match=r"^mat1 and mat2"):
        list(run_recipe(recipe))

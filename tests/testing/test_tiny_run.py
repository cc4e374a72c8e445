"""The run that extensions are checked in."""

from pathlib import Path

from tlf.events import Updated
from tlf.results import RunResult
from tlf.runs.run import run
from tlf.testing.tiny_run import UPDATES, tiny_plan


def test_it_has_so_many_updates_in_two_phases_and_ends(tmp_path):
    events = [*run(tiny_plan(tmp_path / "run"))]
    updates = [e for e in events if isinstance(e, Updated) and not e.evaluating]
    assert len(updates) == UPDATES
    assert {update.phase for update in updates} == {"head", "all"}
    assert isinstance(events[-1], RunResult)
    assert Path(events[-1].folder, "model.safetensors").is_file()

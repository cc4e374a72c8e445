"""A look into a stored state without torch, and how far its run is."""

import json

import pytest
from safetensors.torch import load_file, save_file

from tlf.errors import RunError
from tlf.runtime.stored import state as module
from tlf.runtime.stored.state import (
    FORMAT,
    check_state,
    place_of,
    read_state,
    state_file,
    state_summary,
)


def test_a_glance_says_how_far_a_run_is(finished):
    stored = state_summary(finished)
    assert (stored["phase"], stored["epoch"], stored["ended"]) == (1, 2, True)
    assert place_of(stored) == "after epoch 2 of 2 of phase all"
    assert place_of({**stored, "epoch": 1, "update": 2}) == "in epoch 2 of 2 of phase all"
    assert place_of({**stored, "epoch": 0}) == "before phase all"
    whole = read_state(state_file(finished))
    assert {*stored} - {*whole} == set()
    assert whole["best_so_far"] in ("best", "phase_best")


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"\xff" * 20])
def test_what_is_no_state_gives_nothing_at_a_glance_and_is_refused_when_read(run_copy, content):
    state_file(run_copy).write_bytes(content)
    assert state_summary(run_copy) is None
    with pytest.raises(RunError, match="is damaged"):
        read_state(state_file(run_copy))


def test_a_state_of_another_format_gives_nothing_at_a_glance(run_copy):
    path = state_file(run_copy)
    text = {**state_summary(run_copy), "format": FORMAT - 1}
    save_file(load_file(path), path, metadata={"tlf": json.dumps(text)})
    assert state_summary(run_copy) is None
    with pytest.raises(RunError, match=f"must be {FORMAT}, got {FORMAT - 1}; start a new run"):
        check_state(run_copy)
    path.unlink()
    assert state_summary(run_copy) is None
    check_state(run_copy)


def test_a_state_that_a_running_run_replaces_meanwhile_is_read_anew(run_copy, monkeypatch):
    """Its tensors are those of its header: the state is never mixed of two."""
    path, checks = state_file(run_copy), []
    later, text = path.with_name("later"), {**state_summary(run_copy), "epoch": 9}
    tensors = {name: tensor + 1 for name, tensor in load_file(path).items()}
    save_file(tensors, later, metadata={"tlf": json.dumps(text)})
    expected = later.read_bytes()

    def replaced(path):
        checks.append(path)
        if len(checks) == 1:
            later.replace(path)
        return True

    monkeypatch.setattr(module, "is_sealed", replaced)
    assert read_state(path)["epoch"] == 9
    assert (len(checks), path.read_bytes()) == (2, expected)

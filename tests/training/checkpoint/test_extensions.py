"""The state of extensions is stored with the run's, and comes back."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from tlf.errors import PluginError
from tlf.events import Notice
from tlf.hookspecs import hookimpl
from tlf.runs.resume import resumed
from tlf.runs.run import run
from tlf.testing.tiny_run import tiny_plan
from tlf.training.checkpoint.extensions import (
    clear_states,
    gather_states,
    restore_states,
    state_fault,
)

WHOLE = {
    "count": 3, "rate": float("inf"), "none": None, "list": [1, (2, "three")],
    "tensor": torch.tensor([1.0, 2.0]), "a/b": torch.ones(1), "a": {"b": torch.zeros(1)},
}  # fmt: skip


@dataclass(frozen=True)
class Keeper:
    """It counts epochs."""

    step: int = 1
    state: dict[str, Any] = field(default_factory=dict, init=False)

    @hookimpl
    def tlf_run_started(self, resumed):
        if not resumed:
            self.state.update(WHOLE)

    @hookimpl
    def tlf_epoch_ended(self):
        self.state["count"] += self.step


@dataclass(frozen=True)
class Looker:
    """It keeps nothing."""

    @hookimpl
    def tlf_epoch_ended(self):
        """Nothing."""


def plan_with(folder, *extensions):
    return tiny_plan(folder, extensions=extensions)


def killed(folder, *extensions):
    """A run that is killed after its first epoch."""
    for event in (events := run(plan_with(folder, *extensions))):
        if type(event).__name__ == "EpochResult":
            next(events)
            events.close()


def test_all_of_it_comes_back_in_a_resumed_run(tmp_path):
    killed(tmp_path / "run", Keeper())
    again = Keeper()
    [*_] = resumed(tmp_path / "run", lambda: plan_with(tmp_path / "run", again))
    assert again.state["count"] == 3 + 3
    assert again.state["rate"] == float("inf")
    assert again.state["list"] == [1, (2, "three")]
    assert torch.equal(again.state["tensor"], torch.tensor([1.0, 2.0]))
    assert (again.state["a/b"].item(), again.state["a"]["b"].item()) == (1.0, 0.0)
    assert again.state.keys() == WHOLE.keys()


def test_a_new_run_of_the_same_plan_begins_without_it(tmp_path):
    keeper = Keeper()
    plan = plan_with(tmp_path / "run", keeper)
    [*_] = run(plan)
    assert keeper.state["count"] == 6
    clear_states(plan)
    assert keeper.state == {}


def test_extensions_that_come_and_go(tmp_path):
    keeper = Keeper()
    keeper.state["count"] = 1
    stored = gather_states(plan_with(tmp_path, keeper, Looker()))
    assert stored == {"checked:Keeper": [{"count": 1}]}
    (gone,) = restore_states(plan_with(tmp_path, Looker()), stored, 0)
    assert gone == "extension checked:Keeper is gone or keeps no state: what it kept is dropped"
    (new,) = restore_states(plan_with(tmp_path, Keeper()), {}, 0)
    assert new == "extension checked:Keeper is new in this run: it starts without a state"
    other = Keeper(step=2)  # its options have changed: it is the same extension
    assert restore_states(plan_with(tmp_path, other), stored, 0) == []
    assert other.state == {"count": 1}


def test_two_of_a_kind_are_told_by_their_options(tmp_path):
    one, two = Keeper(), Keeper(step=2)
    one.state["count"], two.state["count"] = 1, 2
    stored = gather_states(plan_with(tmp_path, one, two))
    later = [Keeper(step=2), Keeper()]
    restore_states(plan_with(tmp_path, *later), stored, 0)
    assert [each.state["count"] for each in later] == [2, 1]


def test_each_process_gets_its_own_back(tmp_path):
    keeper = Keeper()
    restore_states(plan_with(tmp_path, keeper), {"checked:Keeper": [{"n": 0}, {"n": 1}]}, 1)
    assert keeper.state == {"n": 1}


def test_a_resumed_run_says_what_was_dropped(tmp_path):
    folder = tmp_path / "run"
    killed(folder, Keeper())
    events = [*resumed(folder, lambda: plan_with(folder), ["extensions=[]"], changed=True)]
    notes = [event.text for event in events if isinstance(event, Notice)]
    assert any(note.startswith("extension checked:Keeper is gone") for note in notes)


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        (WHOLE, None),
        ({}, None),
        ({"a": {1: 2}}, "the key 1 in state['a']; a key must be a text that begins without $"),
        ({"$tensor": "x"}, "the key '$tensor'; a key must be a text that begins without $"),
        ({"a": [1, {2}]}, "a set in state['a'][1]"),
        ({"a": torch.eye(2).to_sparse()}, "a Tensor (torch.sparse_coo) in state['a']"),
        ({"a": torch.nn.Parameter(torch.ones(1))}, "a Parameter (torch.strided) in state['a']"),
        ({"a": print}, "a builtin_function_or_method in state['a']"),
        ([1], "a list"),
    ],
)
def test_what_can_be_stored(state, fault):
    found = state_fault(state)
    assert found == fault if fault else found is None


def test_what_cannot_be_stored_names_the_extension(tmp_path):
    keeper = Keeper()
    keeper.state["seen"] = {1}
    with pytest.raises(PluginError) as caught:
        gather_states(plan_with(tmp_path, keeper))
    assert str(caught.value) == (
        "'checked:Keeper' (checked 0): its state must be a dict of JSON (text as keys), tuples and "
        "tensors, got a set in state['seen']"
    )

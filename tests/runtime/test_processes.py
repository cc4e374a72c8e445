"""What processes tell each other, as one of several sees it."""

from types import SimpleNamespace

import pytest
import torch

from tlf.errors import RecipeError, RunError
from tlf.runtime import processes
from tlf.runtime.processes import by_machine, from_main, gathered, lost_process


@pytest.fixture
def one_of(monkeypatch):
    """Make this process one of several: its number, and what all of them send."""

    def become(number, sent):
        state = SimpleNamespace(
            num_processes=len(sent), process_index=number, local_process_index=0,
            is_main_process=number == 0,
        )  # fmt: skip
        monkeypatch.setattr(processes, "PartialState", lambda: state)
        monkeypatch.setattr(processes, "gather_object", lambda _: list(sent))

        def broadcast(values):
            if number:
                values[:] = sent[0]

        monkeypatch.setattr(processes, "broadcast_object_list", broadcast)

    return become


def test_one_process_is_alone():
    assert gathered("mine") == ["mine"]
    (machine,) = by_machine("mine")
    assert machine.answers == {0: "mine"}
    assert machine.title == f"{machine.name} (process 0)"
    assert from_main(lambda: 5) == 5


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([("a", 0, 1), ("a", 1, 2), ("b", 0, 3), ("b", 1, 4)], [("a", [0, 1]), ("b", [2, 3])]),
        ([("a", 0, 1), ("b", 0, 2), ("a", 1, 3), ("b", 1, 4)], [("a", [0, 2]), ("b", [1, 3])]),
        ([("c", 0, 1), ("c", 1, 2), ("c", 0, 3)], [("c", [0, 1]), ("c", [2])]),
    ],
    ids=["machine by machine", "in turn", "one host name"],
)
def test_processes_are_those_of_machines(one_of, sent, expected):
    one_of(0, sent)
    machines = by_machine(0)
    assert [(machine.name, [*machine.answers]) for machine in machines] == expected
    assert machines[-1].title == f"{expected[-1][0]} (process {expected[-1][1][0]})"


def test_a_machine_merges_the_shards_of_its_processes(one_of):
    one_of(0, [("a", 0, {2: "b"}), ("a", 1, {0: "a"})])
    assert by_machine({})[0].merged() == {0: "a", 2: "b"}


def test_the_main_process_answers_for_all(one_of):
    one_of(0, [None] * 2)
    assert from_main(lambda: "read") == "read"
    one_of(1, [["read", None]] * 2)
    assert from_main(lambda: pytest.fail("called")) == "read"


def test_an_error_of_the_main_process_is_raised_in_all(one_of):
    def fail():
        raise RecipeError(["lr: must be positive"], "a.toml")

    one_of(0, [None] * 2)
    with pytest.raises(RecipeError) as here:
        from_main(fail)
    one_of(1, [[None, str(here.value)]] * 2)
    with pytest.raises(RunError) as there:
        from_main(fail)
    assert str(there.value) == str(here.value)


GONE = [
    RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed by "
                 "peer [127.0.0.1]:62167. This is typically caused by a remote worker crashing."),
    RuntimeError("[…/gloo/transport/tcp/pair.cc:547] Read error [fe80::1]:4: Connection reset by "
                 "peer"),
    RuntimeError("[…/gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 1800000ms for recv "
                 "operation to complete"),
    torch.distributed.DistNetworkError("failed to recv, got 0 bytes"),
    torch.distributed.DistStoreError("Timed out after 601 seconds waiting for clients. 1/2 clients "
                                     "joined."),
    torch.distributed.DistBackendError("NCCL error: remote process exited or there was a network "
                                       "error"),
]  # fmt: skip


@pytest.mark.parametrize("error", GONE, ids=lambda error: str(error)[-30:])
def test_a_lost_process_is_recognized(error):
    assert "has ended or cannot be reached" in lost_process(error)
    assert (", at " in lost_process(error)) == ("peer" in str(error))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("The expanded size of the tensor (3) must match"),
        RuntimeError("Connection closed by peer"),  # of something else
        torch.distributed.DistBackendError("NCCL error: invalid usage"),
    ],
)
def test_other_errors_are_not(error):
    assert lost_process(error) is None

"""What is not finite is found before anything is made of it."""

from types import SimpleNamespace

import pytest
import torch

from tlf.errors import NotFiniteError
from tlf.training import finite as module
from tlf.training.finite import check_finite, largest, require_finite, together
from tlf.training.loss_meter import LossMeter, Made
from tlf.training.state import State

BAD = [float("nan"), float("inf"), float("-inf")]


def job_of(processes=1, others=0):
    phases = (SimpleNamespace(name="head"), SimpleNamespace(name="all"))
    return SimpleNamespace(
        recipe=SimpleNamespace(phases=phases),
        accelerator=SimpleNamespace(num_processes=processes),
        summed=lambda values: [value + others for value in values],
    )


def state_of(losses=(1.0,), logits=(-1.0, 1.0), **changing):
    segment = SimpleNamespace(changing=changing)
    state = State(phase=1, epoch=2, update=len(losses), segment=segment, losses=LossMeter())
    for number, loss in enumerate(losses):
        made = Made(torch.tensor(loss), tuple(map(torch.tensor, logits)), 1)
        state.losses.add(made, 1, number)
    return state


def test_numbers_are_read_together_in_their_groups():
    half = torch.tensor(0.5, dtype=torch.bfloat16)
    found = together([torch.tensor(1.0), half], [], [torch.tensor(2.0)])
    assert found == [[1.0, 0.5], [], [2.0]]
    assert together([], []) == [[], []]


@pytest.mark.parametrize("bad", BAD)
def test_one_number_among_many_is_enough(bad):
    tensor = torch.ones(7, 5)
    assert largest([-3 * tensor, tensor]) == [3.0, 1.0]
    assert largest([]) == []
    tensor[3, 2] = bad
    assert not largest([tensor])[0].isfinite()


def test_large_numbers_are_finite():
    """Their norm in float32 would not be."""
    assert largest([torch.full((4,), 1e38)])[0].isfinite()


def test_what_is_finite_is_added_to_the_epoch():
    state = state_of(losses=(1.0, 2.0), weight=torch.ones(3))
    check_finite(job_of(), state)
    assert (state.losses.total, state.losses.pending()) == (3.0, [])
    check_finite(job_of(), State())


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (state_of(losses=(1.0, float("nan"))), "the loss of update 2 must be finite, got nan"),
        (state_of(logits=(-1.0, float("inf"))), "the logits of update 1 must be finite, got inf"),
        (
            state_of(**{"head.weight": torch.tensor([1.0, float("-inf")])}),
            r"head\.weight after update 1 must be finite, got inf",
        ),
        (
            state_of(**{"bn.running_var": torch.tensor([float("nan")])}),
            r"bn\.running_var after update 1 must be finite, got nan",
        ),
    ],
    ids=["loss", "logits", "weights", "statistics"],
)
def test_the_error_says_what_and_where_and_what_to_write(state, what):
    expected = f"^{what} in phase all, epoch 3; write a lower lr, warmup, clip_grad_norm, or prec"
    with pytest.raises(NotFiniteError, match=expected):
        check_finite(job_of(), state)


def test_a_signal_that_overflows_is_named():
    state = state_of()
    state.signals._unread = [
        {"stem": [torch.tensor(2.0)], "head": [*torch.tensor([1, 1e39, 1, 1])]}
    ]
    expected = "the norm of the gradient of head after update 1 must be finite, got inf"
    with pytest.raises(NotFiniteError, match=expected):
        check_finite(job_of(), state)


def test_all_processes_stop_where_one_of_them_has_to(monkeypatch):
    job, state = job_of(processes=2, others=1), state_of()
    monkeypatch.setattr(module, "gather_object", lambda own: [*own, ("head.bias", float("nan"))])
    with pytest.raises(NotFiniteError, match=r"^head\.bias must be finite, got nan in phase all"):
        check_finite(job, state)
    require_finite(job_of(processes=2), state, {"the loss": 1.0})

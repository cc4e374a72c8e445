"""The checks of networks in evaluation mode, on networks of one layer."""

import pytest
import torch
from torch import nn

from tlf.testing.eval_mode import check_all_train, check_eval_mode, check_state

BATCH = torch.linspace(-1, 1, 12).reshape(3, 4)


class Faulty(nn.Linear):
    """A linear layer with one fault."""

    def __init__(self, fault=""):
        super().__init__(4, 2)
        self.fault = fault
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        match self.fault:
            case "writes":
                self.calls += 1
            case "batch":
                x = x - x.mean(0)
            case "chance":
                x = x + torch.randn(())
            case "detached":
                return super().forward(x).detach()
        return super().forward(x)


def check(module):
    check_eval_mode("Net()", module.eval(), lambda x: {"features": module(x)}, BATCH, "here")


def test_a_plain_layer_keeps_the_contract():
    module = Faulty()
    check(module)
    check_state("Net()", module)
    check_all_train("Net()", module, module(BATCH), "here")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("writes", "writes to calls here"),
        ("batch", "gives different features for an image when the others in its batch change"),
        ("chance", r"draws random numbers \(torch\) in the forward pass here"),
    ],
)
def test_a_fault_in_evaluation_mode_is_named(fault, message):
    with pytest.raises(AssertionError, match=message):
        check(Faulty(fault))


def test_every_tensor_needs_memory_of_its_own():
    module = Faulty()
    module.register_buffer("twin", module.weight.data)
    with pytest.raises(AssertionError, match="one tensor under two names, weight and twin"):
        check_state("Net()", module)


def test_every_parameter_needs_a_gradient():
    module = Faulty("detached")
    with pytest.raises(AssertionError, match="detaches its output here"):
        check_all_train("Net()", module, module(BATCH), "here")
    module = Faulty()
    module.register_parameter("unused", nn.Parameter(torch.ones(1)))
    with pytest.raises(AssertionError, match="has a parameter unused that no gradient reaches"):
        check_all_train("Net()", module, module(BATCH), "here")

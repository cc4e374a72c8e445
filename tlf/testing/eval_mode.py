"""What holds for a network at rest, in evaluation mode: nothing in it moves, and an image's result
is its own. Features of frozen stages can be kept only because of it.
"""

from collections.abc import Callable, Mapping

import torch
from safetensors.torch import save
from torch import Tensor, nn

from tlf.pretrained.weights import fingerprint
from tlf.testing.contract import allowed, drawing_nothing, hold

Run = Callable[[Tensor], Mapping[str, Tensor]]
"""A batch → outputs by name, all with the batch as their first dimension."""

OWN = "at rest, an image's result is its own, whatever the others in a batch of that size are"
STILL = "a module in evaluation mode writes to no buffer and to no parameter"


def check_rest(component: object, module: nn.Module, run: Run, batch: Tensor, where: str) -> None:
    """Check that a network's outputs are a function of each image alone, and write nothing."""
    before = fingerprint(module.state_dict())
    with torch.no_grad(), drawing_nothing(component, f"the forward pass {where}"):
        first, again = run(batch), run(batch)
        others = run(torch.cat([batch[:1], batch[1:].flip(0) * 0.5 + 1]))
    hold(
        fingerprint(module.state_dict()) == before,
        component,
        f"writes to {_changed(module, run, batch)} {where}",
        STILL,
    )
    for name, output in first.items():
        hold(
            torch.equal(output, again[name]),
            component,
            f"gives another {name} for the same images {where}",
            "at rest, the result depends on the images and the weights only",
        )
        hold(
            torch.equal(output[0], others[name][0]),
            component,
            f"gives another {name} for an image when the others in its batch change {where}",
            OWN,
        )


def check_state(component: object, module: nn.Module) -> None:
    """Check that safetensors can hold a network's state."""
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    places: dict[int, str] = {}
    for name, tensor in tensors.items():
        first = places.setdefault(tensor.data_ptr() or -len(places) - 1, name)
        hold(
            first == name,
            component,
            f"keeps one tensor under two names, {first} and {name}",
            "every tensor of the state has memory of its own, or safetensors cannot store it",
        )
    with allowed(component, "storing its state by safetensors"):
        save(tensors)


def check_all_train(component: object, module: nn.Module, output: Tensor, where: str) -> None:
    """Check that a gradient reaches every parameter from an output."""
    hold(output.requires_grad, component, f"cuts the graph {where}", "the output has a gradient")
    # Weighted, because the sum of a normalised output has no gradient.
    weights = torch.linspace(0.5, 1.5, output.numel()).reshape(output.shape)
    parameters = dict(module.named_parameters())
    gradients = torch.autograd.grad(
        (output * weights).sum(), list(parameters.values()), allow_unused=True
    )
    for name, gradient in zip(parameters, gradients, strict=True):
        hold(
            gradient is not None,
            component,
            f"has a parameter {name} that no gradient reaches {where}",
            "every parameter takes part in the output; leave out what does not",
        )
        finite = gradient is not None and bool(torch.isfinite(gradient).all())
        hold(finite, component, f"has a gradient of {name} that is not finite {where}", "it is")


def _changed(module: nn.Module, run: Run, batch: Tensor) -> str:
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with torch.no_grad():
        run(batch)
    after = module.state_dict()
    return next((n for n, t in before.items() if not torch.equal(t, after[n])), "its state, once,")

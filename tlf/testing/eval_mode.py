"""The contract of a network in evaluation mode: it writes nothing, and the result of an image does
not depend on the other images. Only so can the features of frozen stages be cached.
"""

from collections.abc import Callable, Mapping

import torch
from safetensors.torch import save
from torch import Tensor, nn

from tlf.pretrained.weights import fingerprint
from tlf.testing.contract import no_random_numbers, raising_only, require

Run = Callable[[Tensor], Mapping[str, Tensor]]
"""A batch → outputs by name, all with the batch as their first dimension."""

OWN = "in evaluation mode, an image's result does not depend on the other images of its batch"
WRITES_NOTHING = "a module in evaluation mode writes to no buffer and to no parameter"


def check_eval_mode(
    component: object, module: nn.Module, run: Run, batch: Tensor, where: str
) -> None:
    """Check that an image's outputs depend on that image alone, and that nothing is written."""
    before = fingerprint(module.state_dict())
    with torch.no_grad(), no_random_numbers(component, f"the forward pass {where}"):
        first, again = run(batch), run(batch)
        others = run(torch.cat([batch[:1], batch[1:].flip(0) * 0.5 + 1]))
    require(
        fingerprint(module.state_dict()) == before,
        component,
        f"writes to {_changed(module, run, batch)} {where}",
        WRITES_NOTHING,
    )
    for name, output in first.items():
        require(
            torch.equal(output, again[name]),
            component,
            f"gives different {name} for the same images {where}",
            "in evaluation mode, the result depends on the images and the weights only",
        )
        require(
            torch.equal(output[0], others[name][0]),
            component,
            f"gives different {name} for an image when the others in its batch change {where}",
            OWN,
        )


def check_state(component: object, module: nn.Module) -> None:
    """Check that safetensors can hold a network's state."""
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    places: dict[int, str] = {}
    for name, tensor in tensors.items():
        first = places.setdefault(tensor.data_ptr() or -len(places) - 1, name)
        require(
            first == name,
            component,
            f"holds one tensor under two names, {first} and {name}",
            "every tensor of the state has its own memory, or safetensors cannot store it",
        )
    with raising_only(component, "storing its state by safetensors"):
        save(tensors)


def check_all_train(component: object, module: nn.Module, output: Tensor, where: str) -> None:
    """Check that the output has a gradient for every parameter."""
    require(
        output.requires_grad, component, f"detaches its output {where}", "the output has a gradient"
    )
    # Weighted, because the plain sum of a normalised output has a gradient of 0.
    weights = torch.linspace(0.5, 1.5, output.numel()).reshape(output.shape)
    parameters = dict(module.named_parameters())
    gradients = torch.autograd.grad(
        (output * weights).sum(), list(parameters.values()), allow_unused=True
    )
    for name, gradient in zip(parameters, gradients, strict=True):
        require(
            gradient is not None,
            component,
            f"has a parameter {name} that no gradient reaches {where}",
            "every parameter contributes to the output; remove the others",
        )
        finite = gradient is not None and bool(torch.isfinite(gradient).all())
        require(finite, component, f"has a gradient of {name} that is not finite {where}", "it is")


def _changed(module: nn.Module, run: Run, batch: Tensor) -> str:
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with torch.no_grad():
        run(batch)
    after = module.state_dict()
    return next((n for n, t in before.items() if not torch.equal(t, after[n])), "its state, once,")

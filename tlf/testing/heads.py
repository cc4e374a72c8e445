"""The contract of a head."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tlf.components import Head
from tlf.pretrained.weights import fingerprint
from tlf.runtime.seeds import seeded
from tlf.testing.contract import check_options, no_random_numbers, raising_only, require
from tlf.testing.eval_mode import check_all_train, check_eval_mode, check_state
from tlf.testing.second_process import check_second_process

HOOK = "tlf_heads"
SIZES = ((16, 2), (64, 5), (192, 11))


def check_head(head: Head, sizes: Sequence[tuple[int, int]] = SIZES) -> None:
    """Check that a head keeps its contract.

    Its options survive a recipe. For every number of features and classes, it builds a module that
    gives logits (B, K) for features (B, F), or, where it sets ``pools = True``, for maps
    (B, F, H, W) and for tokens (B, N, F); also for one image, and under bfloat16. Its first weights
    come from torch's default generator alone. Every parameter and the features have a gradient. In
    evaluation mode an image's logits depend on that image alone, and nothing is written.
    Safetensors can store its state, and another build that loads it gives the same logits.

    Parameters:
        head: the component, with its options.
        sizes: pairs of F and K. It may refuse some of them with a ``ValueError``, but not all.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    recipe = check_options(head, HOOK)
    refused = []
    for features, classes in sizes:
        try:
            module = _built(head, features, classes)
        except ValueError as error:
            refused.append(f"F = {features}, K = {classes}: {error}")
            continue
        _check_start(head, module, features, classes)
        for name, batch in _inputs(module, features).items():
            _check_on(head, module, name, batch, classes)
        check_state(head, module)
        _check_state_is_all(head, module, features, classes)
    require(
        len(refused) < len(sizes),
        head,
        f"refuses every size: {'; '.join(refused)}",
        "it accepts a size",
    )
    check_second_process(head, HOOK, recipe)


def describe(head: Head) -> str:
    """Its first weights, for the first size that it accepts."""
    for features, classes in SIZES:
        try:
            return fingerprint(_built(head, features, classes).state_dict())
        except ValueError:
            continue
    return ""


def _built(head: Head, features: int, classes: int) -> nn.Module:
    with seeded(0, "head"), raising_only(head, f"build({features}, {classes})", ValueError):
        module = head.build(features, classes)
    require(
        isinstance(module, nn.Module),
        head,
        f"builds a {type(module).__name__}",
        "build(num_features, num_classes) gives an nn.Module",
    )
    return module


def _check_start(head: Head, module: nn.Module, features: int, classes: int) -> None:
    with no_random_numbers(head, "build", but_torch=True):
        again = _built(head, features, classes)
    require(
        fingerprint(again.state_dict()) == fingerprint(module.state_dict()),
        head,
        "starts with other weights under the same seed",
        "its first weights come from torch's default generator alone: all processes start the same",
    )


def _inputs(module: nn.Module, features: int) -> dict[str, Tensor]:
    with seeded(0, "features"):
        if getattr(module, "pools", False):
            maps, tokens = torch.randn(4, features, 3, 5), torch.randn(4, 7, features)
            return {"maps (B, F, H, W)": maps, "tokens (B, N, F)": tokens}
        return {"features (B, F)": torch.randn(4, features)}


def _check_on(head: Head, module: nn.Module, name: str, batch: Tensor, classes: int) -> None:
    module.eval()
    for images in (batch, batch[:1]):
        logits = _logits(head, module, images, name)
        require(
            tuple(logits.shape) == (len(images), classes) and logits.is_floating_point(),
            head,
            f"gives {logits.dtype} {tuple(logits.shape)} for {name} with B = {len(images)}",
            f"logits are (B, K), here ({len(images)}, {classes})",
        )
    check_eval_mode(
        head, module, lambda x: {"logits": module(x)}, batch, f"in evaluation mode, on {name}"
    )
    with torch.autocast("cpu", torch.bfloat16):
        half = _logits(head, module, batch, f"{name} under bfloat16")
    require(
        bool(torch.isfinite(half).all()), head, f"is not finite on {name} under bfloat16", "it is"
    )
    module.train()
    watched = batch.clone().requires_grad_()
    logits = _logits(head, module, watched, f"{name} while training")
    check_all_train(head, module, logits, f"while training, on {name}")
    (gradient,) = torch.autograd.grad(
        _logits(head, module, watched, name).square().sum(), watched, allow_unused=True
    )
    require(
        gradient is not None and bool(gradient.any()),
        head,
        f"passes no gradient to {name}",
        "the backbone trains through the head",
    )


def _check_state_is_all(head: Head, module: nn.Module, features: int, classes: int) -> None:
    with seeded(1, "other"), torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    with seeded(2, "another"):
        other = head.build(features, classes)
    with raising_only(head, "load_state_dict"):
        other.load_state_dict(module.state_dict())
    for name, batch in _inputs(module, features).items():
        require(
            torch.equal(module.eval()(batch), other.eval()(batch)),
            head,
            "gives other logits when its state is loaded into another build",
            "all that it has trained is in its parameters and buffers: head.safetensors holds "
            f"nothing else ({name})",
        )


def _logits(head: Head, module: nn.Module, batch: Tensor, name: str) -> Tensor:
    with raising_only(head, f"the forward pass on {name}"):
        logits = module(batch)
    shape = getattr(logits, "shape", None)
    require(
        shape is not None, head, f"gives a {type(logits).__name__} for {name}", "it gives logits"
    )
    tensor: Tensor = logits
    return tensor

"""Weights for a network: name a file, read it, copy its tensors into the network, hash them."""

import os
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.errors import WeightsError
from tlf.pretrained.file_kinds import ARCHIVES, FOREIGN
from tlf.pretrained.names import COUNTER, listed, shape, shown
from tlf.pretrained.weight_files import StoredWeights, read

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "HUB_PREFIX", "STARTER", "SUFFIXES", "StoredWeights", "check_key", "fingerprint", "fit",
    "local_file", "names_file", "needed", "not_finite", "other_number", "read", "vacated",
]  # fmt: skip

STARTER = Path(__file__).with_name("starter_resnet18.safetensors")
"""The weights that come with tlf."""

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pth.tar", ".pt.tar", ".tar")
"""Suffixes of files of weights in a recipe, in any case."""

HUB_PREFIX = "hf-hub:"
"""What stands before the name of a repository of the hub."""


def local_file(weights: str, architecture: str) -> Path | None:
    """The file that a recipe's ``weights`` names, or None if it names no file.

    >>> str(local_file("runs/a/model.safetensors", "resnet50"))
    'runs/a/model.safetensors'
    >>> local_file("IMAGENET1K_V1", "resnet50") is None
    True

    Raises:
        WeightsError: the weights that come with tlf are of another architecture.
    """
    if weights == "starter":
        if architecture != "resnet18":
            raise WeightsError(
                f'model must be "resnet18" for weights = "starter", got "{architecture}"; '
                'write model = "resnet18", or weights = "none" (random)'
            )
        return STARTER
    by_suffix = weights.lower().endswith((*SUFFIXES, *FOREIGN, *ARCHIVES))
    by_path = ("/" in weights or os.sep in weights) and not weights.startswith(HUB_PREFIX)
    return Path(os.path.expanduser(weights)) if by_suffix or by_path else None


def names_file(weights: str) -> bool:
    """Whether a recipe's ``weights`` is a path: that of a file, or of a run's folder."""
    return weights != "starter" and local_file(weights, "") is not None


def check_key(key: str, weights: str, file: Path | None) -> None:
    """Check that a ``weights_key`` has a file to choose in.

    Raises:
        ValueError: the weights are none of a file.
    """
    if key and (file is None or weights == "starter"):
        raise ValueError(
            f"weights_key must be left out where weights names no file, got {key!r} for weights = "
            f"{weights!r}; write the file in weights, or leave weights_key out"
        )


def fit(
    module: "nn.Module", tensors: "Mapping[str, Tensor]", ignored: Collection[str] = ()
) -> None:
    """Copy weights into all tensors of a network, and convert them to its dtypes.

    ``num_batches_tracked`` may be missing, or be a list of one number, as in files from older
    versions of torch, or be a float, as where the whole file was converted to half precision.

    Parameters:
        module: the network; its parameters and buffers are changed in place.
        tensors: name → tensor, as the network names them.
        ignored: names of modules whose tensors are not copied, such as the classifier.

    Raises:
        WeightsError: a tensor is missing, left over, of another shape or kind of number, or not
            finite. Then nothing is copied.
    """
    import torch

    own = module.state_dict()
    given = {name: tensor for name, tensor in tensors.items() if not _below(name, ignored)}
    given = {name: tensor for name, tensor in given.items() if not _lost_count(name, tensor)}
    missing = [name for name in own if name not in given and not name.endswith(COUNTER)]
    misfits = [m for name, tensor in own.items() if (m := _misfit(name, tensor, given.get(name)))]
    problems = [
        *listed("missing", missing),
        *listed("not part of the network", [shown(name) for name in given if name not in own]),
        *listed("of another shape or type", misfits),
    ]
    if not problems:  # of tensors that fit, the size is known: no file makes this take long
        problems = not_finite(given)
    if problems:
        same = sum(name in given for name in own)
        count = [f"{same} of its {len(own)} names are in the file"] if same < len(own) else []
        raise WeightsError(
            f"the weights do not fit a {type(module).__name__}: " + "; ".join([*count, *problems])
        )
    with torch.no_grad():
        for name, tensor in given.items():
            own[name].copy_(tensor.view_as(own[name]))


def not_finite(tensors: "Mapping[str, Tensor]") -> list[str]:
    """The tensors with NaN or infinity, as a clause of an error; empty if there are none."""
    endless = [shown(name) for name, tensor in tensors.items() if not _is_finite(tensor)]
    return listed("with NaN or infinity", endless)


def needed(module: "nn.Module", ignored: Collection[str] = ()) -> "dict[str, Tensor]":
    """A network's own tensors that a file must have: name → tensor."""
    return {name: t for name, t in module.state_dict().items() if not _below(name, ignored)}


def vacated(module: "nn.Module", classifier: str) -> str:
    """The outermost module around a removed classifier that has no tensors any more.

    Files may have more tensors under that name: under ``head`` if ``head.linear`` had a norm.

    >>> from torch import nn
    >>> vacated(nn.ModuleDict({"stem": nn.Linear(1, 1), "head": nn.Identity()}), "head.linear")
    'head'
    """
    parts = classifier.split(".")
    prefixes = [".".join(parts[: end + 1]) for end in range(len(parts))]
    left = module.state_dict()
    return next((p for p in prefixes if not any(_below(n, [p]) for n in left)), classifier)


def fingerprint(state: "Mapping[str, Tensor]") -> str:
    """SHA-256 over the names, dtypes, shapes and bytes of tensors; their order does not matter.

    >>> import torch
    >>> a, b = torch.zeros(2), torch.ones(3, dtype=torch.bfloat16)
    >>> fingerprint({"a": a, "b": b}) == fingerprint({"b": b, "a": a})
    True
    >>> fingerprint({"a": a}) == fingerprint({"a": a.reshape(2, 1)})
    False
    """
    import torch

    digest = sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _lost_count(name: str, tensor: "Tensor") -> bool:
    """Whether a tensor counts batches, and was converted to a float that its count does not fit."""
    lossy = name.endswith(COUNTER) and tensor.is_floating_point()
    return lossy and not _is_finite(tensor)


def _is_finite(tensor: "Tensor") -> bool:
    """Whether a tensor is finite in float32, to which it is converted."""
    if not tensor.is_floating_point():
        return True
    values = tensor.float()
    # A sum is fast, and is not finite where a value is not. It may also overflow.
    return bool(values.sum().isfinite()) or bool(values.isfinite().all())


def _below(name: str, modules: Collection[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _misfit(name: str, own: "Tensor", given: "Tensor | None") -> str:
    if given is None:
        return ""
    one_number = name.endswith(COUNTER) and own.numel() == given.numel() == 1
    if own.shape != given.shape and not one_number:
        return f"{name} is {shape(given)} in the file and {shape(own)} in the network"
    return other_number(name, own, given)


def other_number(name: str, own: "Tensor", given: "Tensor") -> str:
    """What a message says where one tensor is a float, whole or complex, and the other is not."""
    if name.endswith(COUNTER) and not given.is_complex():
        return ""
    if (own.is_floating_point(), own.is_complex()) != (
        given.is_floating_point(), given.is_complex()
    ):  # fmt: skip
        return f"{name} is {given.dtype} in the file and {own.dtype} in the network"
    return ""

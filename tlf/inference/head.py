"""A trained head alone, for programs that have their own backbone: needs torch and safetensors."""

import reprlib
from collections.abc import Callable, Collection, Mapping, Sequence
from math import prod
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tlf.errors import RunError, WeightsError
from tlf.heads import KINDS
from tlf.inference.metadata import GOLDEN, Metadata, read_with_metadata
from tlf.inference.sealed_file import absent
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    from tlf.inference.calibrated import Calibrated
    from tlf.inference.classifier import TrainedClassifier
    from tlf.inference.train_images import TrainImages

TOLERANCE = 1e-4
"""How far recomputed logits may differ from those in the file, as a fraction of the largest one:
processors sum float32 numbers in different orders."""


SLACK = 10_000_000
"""How many values a small head may allocate beyond those in its file, as it is built."""


class PortableHead(nn.Module):
    """A trained head: features (B, F) → logits (B, K).

    A head that pools takes feature maps (B, F, H, W) or tokens (B, N, F) instead. It is in
    evaluation mode, and its parameters need no gradient.
    """

    labels: tuple[str, ...]
    """Class names in the order of the logits."""
    preprocessing: Preprocessing
    """How an image becomes the input of the backbone."""
    backbone: Mapping[str, Any]
    """The backbone that it was trained on: kind, options, and the SHA-256 of its tensors."""

    def __init__(self, module: nn.Module, metadata: Metadata) -> None:
        super().__init__()
        self.module = module
        self.metadata = metadata
        self.labels = metadata.classes
        self.preprocessing = metadata.preprocessing
        self.backbone = metadata.backbone
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, F) → logits (B, K)."""
        logits: Tensor = self.module(features)
        return logits

    @property
    def calibrated(self) -> "Calibrated | None":
        """How sure the model is; None where an older tlf wrote the file."""
        return self.metadata.calibration

    def train_images(self, path: str | PathLike[str]) -> "TrainImages":
        """The train images that were stored with the head. ``path``: ``unlike.safetensors``.

        Raises:
            RunError: there is no such file, or the run has stored none.
            WeightsError: it is damaged, or of another run.
        """
        from tlf.inference.train_images import load_train_images

        if self.metadata.unlike is None:
            raise RunError("this head names no train images: its run has not stored them")
        return load_train_images(Path(path), self.metadata.unlike)

    def __repr__(self) -> str:
        """What it is, in a line: a module's own text has a line for each layer."""
        kind, labels = self.metadata.head["kind"], reprlib.repr(self.labels)
        return f"PortableHead({kind}, {self.metadata.num_features} features → {labels})"

    def attach(self, backbone: nn.Module) -> "TrainedClassifier":
        """Join the head and the backbone that it was trained on, without its own classifier.

        Parameters:
            backbone: normalised images (B, C, H, W) → features (B, F), with the very tensors of
                the run: those in ``model.safetensors``, or the published ones if the backbone was
                frozen. It is set to evaluation mode.

        Raises:
            WeightsError: the backbone is another one, or no module; names the right one.
        """
        from tlf.inference.attach import attached

        return attached(self.module, self.metadata, backbone)


def load_head(path: str | PathLike[str]) -> PortableHead:
    """Load a run's ``head.safetensors``. Needs torch and safetensors, and no other library.

    Every byte of the file is checked, and the logits of its golden features are recomputed. A
    plugin's head also needs the plugin, and tlf with all its dependencies.

    >>> import tlf
    >>> tlf.load_head("/runs/a")
    Traceback (most recent call last):
    tlf.errors.RunError: there is no /runs/a; name the head.safetensors of a run that has ended

    Raises:
        RunError: there is no such file, it is a folder, or a newer tlf wrote it.
        WeightsError: it is damaged, holds no head, or holds one that cannot be built here.
    """
    file = Path(path)
    if not file.is_file():
        raise _no_file(file)
    metadata, data = read_with_metadata(file)
    try:
        tensors = load(data)
    except Exception as error:  # whole, and yet forged: safetensors and torch may raise anything
        raise WeightsError(f"{file} is not a whole safetensors file: {error}") from error
    if not tensors.keys() >= {*GOLDEN}:
        raise WeightsError(
            f"{file} must hold a head and its golden features, got none; name a head.safetensors"
        )
    features, logits = (tensors.pop(name) for name in GOLDEN)
    head = PortableHead(_filled(file, metadata, tensors), metadata)
    _check_golden(file, head, features, logits)
    return head


def _no_file(path: Path) -> RunError:
    head, wanted = path / "head.safetensors", "the head.safetensors of a run that has ended"
    if head.is_file():
        return RunError(f"{path} is a folder; name the head in it: {head}")
    if path.is_dir():
        return RunError(f"{path} is a folder, and {absent(head, wanted)}")
    return absent(path, wanted)


def _filled(path: Path, metadata: Metadata, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The head with its tensors."""
    values = sum(tensor.numel() for tensor in tensors.values())
    # The initial weights are drawn and then replaced: the caller's random numbers stay as they are.
    with torch.random.fork_rng(devices=[]), _AtMost(SLACK + 4 * values):
        module = _build(path, metadata, len(tensors))
    if misfit := _misfit(module.state_dict(), tensors):
        raise WeightsError(f"{path} does not fit the head that it names: {misfit}")
    module.load_state_dict(dict(tensors))
    return module


def _build(path: Path, metadata: Metadata, most_layers: int) -> nn.Module:
    kind = metadata.head["kind"]
    options: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in metadata.head.items()
        if name != "kind"
    }
    if ":" in kind:
        from tlf.inference.plugin_heads import build_plugin_head

        return build_plugin_head(path, metadata)
    try:
        if any(isinstance(value, tuple) and len(value) > most_layers for value in options.values()):
            raise ValueError("it has more layers than the file has tensors")
        return KINDS[kind](**options).build(metadata.num_features, len(metadata.classes))
    except Exception as error:  # a file may hold options of any type
        problem = f"tlf {metadata.tlf} wrote a {kind!r} head that this tlf cannot build"
        raise WeightsError(f"{path}: {problem}: {error!s:.300}") from error


class _AtMost(TorchFunctionMode):
    """In this context, no more values are allocated for new tensors: what a file claims about its
    head would else be allocated, whatever the file really holds.
    """

    def __init__(self, values: int) -> None:
        super().__init__()
        self.left = values

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever torch's function returns
        """Call torch's function, unless it makes too large a tensor."""
        if function in _MAKES:
            sizes = args[0] if args and isinstance(args[0], Sequence) else args
            self.left -= prod(size for size in sizes if isinstance(size, int))
            if self.left < 0:
                raise ValueError("it would be larger than what the file holds")
        return function(*args, **(kwargs or {}))


_MAKES = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)
"""The functions with which modules make their tensors; the size comes first."""


def _misfit(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """The first tensor that is missing, left over, or of another shape or type; empty if none."""
    for name in sorted(own.keys() ^ given.keys()):
        return f"the tensor {name!r:.80} is {'missing' if name in own else 'not part of it'}"
    for name, tensor in own.items():
        wanted, got = ((t.dtype, tuple(t.shape)) for t in (tensor, given[name]))
        if wanted != got:
            return f"{name} must be {wanted[0]} {wanted[1]}, got {got[0]} {got[1]}"
    return ""


def _check_golden(path: Path, head: PortableHead, features: Tensor, logits: Tensor) -> None:
    try:
        with torch.inference_mode():
            computed = head(features)
        same = computed.shape == logits.shape and _close(computed, logits)
    except Exception as error:  # the features may be of any type and shape
        raise WeightsError(f"{path}: this head does not take its golden pair: {error}") from error
    if not same:
        raise WeightsError(
            f"{path}: this head does not give the logits that it gave when it was written; "
            f"tlf {head.metadata.tlf} wrote it, and the code that builds it has changed since"
        )


def _close(computed: Tensor, expected: Tensor) -> bool:
    limit = TOLERANCE * max(1.0, float(expected.abs().max()))
    return bool((computed - expected).abs().max() <= limit)

"""Two functions for each format: write a file, and compute logits from it as its users do."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from tlf.errors import TlfError, WeightsError, require
from tlf.exports.attention import FourDimensions
from tlf.exports.own_network import arranged, colour_only, own_network
from tlf.inference import onnx_file
from tlf.inference.classifier import TrainedClassifier
from tlf.inference.head import load_head
from tlf.inference.metadata import Metadata
from tlf.inference.model_files import save_tensors
from tlf.pretrained.own_classifiers import unlike
from tlf.runtime.strict_json import dumps

Compute = Callable[[Tensor], Tensor]
"""Images (B, C, S, S) → logits (B, K)."""


@dataclass(frozen=True)
class Source:
    """The run and the model that are exported."""

    run: Path
    classifier: TrainedClassifier
    metadata: Metadata

    @property
    def about(self) -> str:
        """Labels and preprocessing as JSON, for formats that can hold text; and the task with its
        thresholds, where each class has one.
        """
        metadata = asdict(self.metadata)
        about = {name: metadata[name] for name in ("classes", "preprocessing", "tlf")}
        if self.metadata.thresholds is not None:
            about |= {"task": self.metadata.task, "thresholds": self.metadata.thresholds}
        return dumps(about)


@dataclass(frozen=True)
class Format:
    """How to write a format, and how to compute with its file."""

    file: str
    """The file's name, unless another is given."""
    write: Callable[[Source, Path], None]
    compute: Callable[[Source, Path], Compute] | None
    """None: the file cannot be loaded back here, so it is not compared."""


def write_head(source: Source, path: Path) -> None:
    """Copy the run's head.safetensors."""
    path.write_bytes((source.run / "head.safetensors").read_bytes())


def compute_with_head(source: Source, path: Path) -> Compute:
    """The run's backbone, and the head from the file."""
    head = load_head(path)
    return lambda images: head(source.classifier.model.features(images))


def write_model(source: Source, path: Path) -> None:
    """Copy the run's model.safetensors."""
    path.write_bytes((source.run / "model.safetensors").read_bytes())


def compute_with_model(source: Source, path: Path) -> Compute:
    """The run's model with the tensors of the file."""
    tensors, prefix = {}, f"{source.metadata.classifier}."
    for name, tensor in load_file(path).items():
        in_head = name.removeprefix(prefix)
        tensors[f"head.{in_head}" if name.startswith(prefix) else f"backbone.{name}"] = tensor
    return lambda images: torch.func.functional_call(source.classifier.model, tensors, (images,))


def write_plain(source: Source, path: Path) -> None:
    """Write the tensors of the library's own network.

    Raises:
        WeightsError: the head is not a linear layer with a bias, or the library's classifier is
            another one.
    """
    model = source.classifier.model
    if source.metadata.head["kind"] != "linear":
        raise WeightsError(
            f"the head must be 'linear' for the library's own model, got "
            f"{source.metadata.head['kind']!r}; write --to model, torch-export or onnx"
        )
    if model.head.bias is None:
        raise WeightsError(
            "the head must have a bias for the library's own model, got one without; write --to "
            "model, torch-export or onnx"
        )
    if reason := unlike(model.backbone) or colour_only(source.metadata):
        raise WeightsError(
            f"the library's own network must load a file with a linear head, and {reason}; write "
            "--to model, torch-export or onnx"
        )
    network = own_network(source.metadata)
    tensors = arranged(network, model.backbone.state_dict(), model.head.weight, model.head.bias)  # type: ignore[arg-type]
    save_tensors(path, tensors, source.metadata)


def write_timm(source: Source, path: Path) -> None:
    """Write the tensors of timm's own network.

    Raises:
        WeightsError: the backbone is of another library, or the head does not fit.
    """
    _check_backbone(source, "timm")
    write_plain(source, path)


def write_torchvision(source: Source, path: Path) -> None:
    """Write the tensors of torchvision's own network.

    Raises:
        WeightsError: the backbone is of another library, or the head does not fit.
    """
    _check_backbone(source, "torchvision")
    write_plain(source, path)


def compute_with_timm(source: Source, path: Path) -> Compute:
    """The library's own network, loaded by timm."""
    import timm

    module = own_network(source.metadata)
    with _loading("timm"):
        timm.models.load_checkpoint(module, str(path))
    return module


def compute_with_torchvision(source: Source, path: Path) -> Compute:
    """The library's own network with the tensors of the file."""
    module = own_network(source.metadata)
    with _loading("torchvision"):
        module.load_state_dict(load_file(path))
    return module


def write_torch_export(source: Source, path: Path) -> None:
    """Write a program of torch.export that takes any batch size."""
    with tracing("torch-export"):
        save_program(_program(source), path, source.about)


def save_program(program: torch.export.ExportedProgram, path: Path, about: str) -> None:
    """Write a program, with its metadata as JSON."""
    program.example_inputs = None  # torch would pickle them
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files={"tlf.json": about})


def compute_with_torch_export(source: Source, path: Path) -> Compute:
    """The program, loaded by torch."""
    with path.open("rb") as file, warnings.catch_warnings():
        # torch 2.11 warns of tensors that lie in the bytes it has read. Nothing writes to them.
        warnings.filterwarnings("ignore", "The given buffer is not writable")
        module: Compute = torch.export.load(file).module()
    return module


def write_onnx(source: Source, path: Path) -> None:
    """Write an ONNX graph, images → logits, that takes any batch size.

    Raises:
        RunError: its packages are not installed.
    """
    require("onnx", "onnxscript", extra="onnx")
    # A graph computes attention step by step: tensors have the strides of the same steps in torch.
    with tracing("onnx"), FourDimensions(), sdpa_kernel(SDPBackend.MATH):
        program: Any = torch.onnx.export(
            _program(source), input_names=["images"], output_names=["logits"], dynamo=True,
            verbose=False,
        )  # fmt: skip
        program.model.metadata_props["tlf"] = source.about
        program.save(str(path))


def compute_with_onnx(source: Source, path: Path) -> Compute:
    """The graph, run by onnxruntime."""
    return onnx_file.compute_with_onnx(path)


FORMATS: Mapping[str, Format] = {
    "head": Format("head.safetensors", write_head, compute_with_head),
    "model": Format("model.safetensors", write_model, compute_with_model),
    "timm": Format("timm.safetensors", write_timm, compute_with_timm),
    "torchvision": Format("torchvision.safetensors", write_torchvision, compute_with_torchvision),
    "torch-export": Format("model.pt2", write_torch_export, compute_with_torch_export),
    "onnx": Format("model.onnx", write_onnx, compute_with_onnx),
}
"""The formats of ``tlf export --to``."""


def _program(source: Source) -> torch.export.ExportedProgram:
    preprocessing = source.metadata.preprocessing
    example = torch.zeros(2, preprocessing.channels, preprocessing.size, preprocessing.size)
    batch = torch.export.Dim("batch", min=1, max=65536)
    # The model is in channels-last memory format; a program holds contiguous tensors.
    model = deepcopy(source.classifier.model).to(memory_format=torch.contiguous_format)
    return torch.export.export(model, (example,), dynamic_shapes=({0: batch},))


def _check_backbone(source: Source, library: str) -> None:
    kind = source.metadata.backbone["kind"]
    if kind != library:
        own = f"--to {kind} or " if kind in FORMATS else ""
        raise WeightsError(
            f"--to {library} needs a backbone of {library}, got {kind!r}; write {own}--to model"
        )


@contextmanager
def tracing(to: str) -> Iterator[None]:
    """Make one line of whatever torch raises about a network that it cannot trace.

    Raises:
        WeightsError: it cannot.
    """
    try:
        with warnings.catch_warnings():
            # torch 2.11 deprecates what its own exporter calls.
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
            yield
    except (TlfError, MemoryError):
        raise
    except Exception as error:  # torch and onnx have errors of many kinds, of many lines
        first: BaseException = error
        while first.__cause__ is not None:
            first = first.__cause__
        said = " ".join(str(first).split())
        raise WeightsError(
            f"--to {to} needs a model that torch can trace, and it cannot trace this one: "
            f"{type(first).__name__}: {said:.300}; write --to model"
        ) from error


@contextmanager
def _loading(library: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise WeightsError(f"{library}'s own loader rejects the model: {error}") from error

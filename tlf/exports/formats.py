"""Two functions for each format: write a file, and compute logits with it as its users do."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tlf.errors import RunError, WeightsError
from tlf.inference.classifier import TrainedClassifier
from tlf.inference.head import load_head
from tlf.inference.metadata import Metadata
from tlf.inference.model_files import save_model

Compute = Callable[[Tensor], Tensor]
"""Images (B, C, S, S) → logits (B, K)."""


@dataclass(frozen=True)
class Source:
    """What is exported."""

    run: Path
    classifier: TrainedClassifier
    card: Metadata

    @property
    def about(self) -> str:
        """Labels and preprocessing as JSON, for formats that carry text."""
        told = asdict(self.card)
        return json.dumps({name: told[name] for name in ("classes", "preprocessing", "tlf")})


@dataclass(frozen=True)
class Format:
    """How to write a format, and how to read it again."""

    file: str
    """The name that an export has if none is given."""
    write: Callable[[Source, Path], None]
    compute: Callable[[Source, Path], Compute]


def write_head(source: Source, path: Path) -> None:
    """The run's head.safetensors, byte for byte."""
    path.write_bytes((source.run / "head.safetensors").read_bytes())


def compute_with_head(source: Source, path: Path) -> Compute:
    """The head from the file on the run's backbone."""
    head = load_head(path)
    return lambda images: head(source.classifier.model.features(images))


def write_model(source: Source, path: Path) -> None:
    """The run's model.safetensors, byte for byte."""
    path.write_bytes((source.run / "model.safetensors").read_bytes())


def compute_with_model(source: Source, path: Path) -> Compute:
    """The run's model with the tensors of the file, by their own names."""
    own, prefix = {}, f"{source.card.classifier}."
    for name, tensor in load_file(path).items():
        inside = name.removeprefix(prefix)
        own[f"head.{inside}" if name.startswith(prefix) else f"backbone.{name}"] = tensor
    return lambda images: torch.func.functional_call(source.classifier.model, own, (images,))


def write_plain(source: Source, path: Path) -> None:
    """Tensors as the library's own classifier names them.

    Raises:
        WeightsError: the head is not the one linear layer that the library has.
    """
    model = source.classifier.model
    if source.card.head["kind"] != "linear":
        raise WeightsError(
            f"a {source.card.head['kind']!r} head has no place in the library's own model, which "
            "ends in one linear layer; write --to model, torch-export or onnx"
        )
    if model.head.bias is None:
        raise WeightsError("the library's own classifier has a bias, and this head has none")
    save_model(path, model, source.card)


def compute_with_timm(source: Source, path: Path) -> Compute:
    """The model that timm has, loaded by timm."""
    import timm

    backbone = _of(source, "timm")
    options = {"in_chans": backbone["channels"]} if backbone.get("channels", 3) != 3 else {}
    with _loading("timm"):
        module = timm.create_model(
            backbone["model"], num_classes=len(source.card.classes), **options
        ).eval()
        timm.models.load_checkpoint(module, str(path))
    return module


def compute_with_torchvision(source: Source, path: Path) -> Compute:
    """The model that torchvision has, with the tensors of the file."""
    from torchvision import models

    backbone = _of(source, "torchvision")
    with _loading("torchvision"):
        module: nn.Module = models.get_model(
            backbone["model"], weights=None, num_classes=len(source.card.classes)
        )
        module.load_state_dict(load_file(path))
    return module.eval()


def write_torch_export(source: Source, path: Path) -> None:
    """A program of torch.export that takes any number of images."""
    with path.open("wb") as file:
        program = _program(source)
        program.example_inputs = None  # torch would pickle them
        torch.export.save(program, file, extra_files={"tlf.json": source.about})


def compute_with_torch_export(source: Source, path: Path) -> Compute:
    """The program, loaded by torch."""
    with path.open("rb") as file:
        module: Compute = torch.export.load(file).module()
    return module


def write_onnx(source: Source, path: Path) -> None:
    """An ONNX graph, images → logits, that takes any number of images.

    Raises:
        RunError: the packages for it are not installed.
    """
    needs("onnx", "onnxscript")
    program: Any = torch.onnx.export(
        _program(source), input_names=["images"], output_names=["logits"], dynamo=True,
        verbose=False,
    )  # fmt: skip
    program.model.metadata_props["tlf"] = source.about
    program.save(str(path))


def compute_with_onnx(source: Source, path: Path) -> Compute:
    """The graph in onnxruntime."""
    needs("onnxruntime")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(
        session.run(["logits"], {"images": images.contiguous().numpy()})[0]
    )


FORMATS: Mapping[str, Format] = {
    "head": Format("head.safetensors", write_head, compute_with_head),
    "model": Format("model.safetensors", write_model, compute_with_model),
    "timm": Format("timm.safetensors", write_plain, compute_with_timm),
    "torchvision": Format("torchvision.safetensors", write_plain, compute_with_torchvision),
    "torch-export": Format("model.pt2", write_torch_export, compute_with_torch_export),
    "onnx": Format("model.onnx", write_onnx, compute_with_onnx),
}
"""What ``tlf export --to`` takes."""


def _program(source: Source) -> torch.export.ExportedProgram:
    preprocessing = source.card.preprocessing
    example = torch.zeros(2, preprocessing.channels, preprocessing.size, preprocessing.size)
    batch = torch.export.Dim("batch", min=1, max=65536)
    # Files hold tensors row by row; this model has its convolutions channels last.
    model = deepcopy(source.classifier.model).to(memory_format=torch.contiguous_format)
    return torch.export.export(model, (example,), dynamic_shapes=({0: batch},))


def _of(source: Source, library: str) -> Mapping[str, Any]:
    backbone = source.card.backbone
    if backbone["kind"] != library:
        raise WeightsError(
            f"the run's backbone is of the kind {backbone['kind']!r}, whose tensors {library} "
            f"does not know; write --to {backbone['kind']} or --to model"
        )
    return backbone


@contextmanager
def _loading(library: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise WeightsError(f"{library}'s own loader does not take the model: {error}") from error


def needs(*modules: str) -> None:
    """Make sure that packages are there.

    Raises:
        RunError: one is not; names it, and says what to install.
    """
    from importlib.util import find_spec

    if missing := [module for module in modules if find_spec(module) is None]:
        raise RunError(f"{', '.join(missing)} is not installed; write: pip install 'tlf[onnx]'")

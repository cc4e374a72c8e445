"""An exported ONNX graph, with the labels and the preprocessing that its metadata holds."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tlf.data.transforms import normalize
from tlf.errors import WeightsError, require
from tlf.inference.metadata import check_task, check_thresholds
from tlf.preprocessing import Preprocessing, read_preprocessing
from tlf.tasks import DEFAULT

_WRITTEN = "name a file that tlf export --to onnx has written"


@dataclass(frozen=True)
class OnnxClassifier:
    """A graph that classifies images, and what its file says about them."""

    compute: Callable[[Tensor], Tensor]
    """Images (B, C, S, S) → logits (B, K)."""
    labels: tuple[str, ...]
    """Class names in the order of the logits."""
    preprocessing: Preprocessing
    task: str = DEFAULT
    thresholds: tuple[float, ...] | None = None
    """From which probability on each class is predicted; None where the task has no such."""

    def logits(self, pixels: Sequence[Tensor]) -> Tensor:
        """Uint8 images (C, S, S), as they are read → float32 logits (B, K)."""
        return self.compute(normalize(torch.stack([*pixels]), self.preprocessing))


def load_onnx(path: Path) -> OnnxClassifier:
    """Load a graph that ``tlf export --to onnx`` wrote.

    Raises:
        RunError: onnxruntime is not installed.
        WeightsError: it is no graph, or tlf did not write it.
    """
    session = open_session(path)
    written = session.get_modelmeta().custom_metadata_map.get("tlf")
    if written is None:
        raise WeightsError(f"{path} has no labels and no preprocessing of tlf; {_WRITTEN}")
    try:
        about = json.loads(written)
        labels, preprocessing = tuple(about["classes"]), read_preprocessing(about["preprocessing"])
        if not labels or not all(isinstance(name, str) for name in labels):
            raise ValueError(f"classes must be a list of names, got {labels!r:.60}")
        if about.get("with_preprocessing"):
            raise WeightsError(
                f"{path} prepares images itself, so it takes whole ones; name a file that tlf "
                "export has written without --with-preprocessing"
            )
        task, thresholds = about.get("task", DEFAULT), about.get("thresholds")
        check_thresholds("thresholds", thresholds, len(labels))
        limits = None if thresholds is None else tuple(thresholds)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path} has incomplete or unknown metadata: {error}") from error
    check_task(path, task)
    return OnnxClassifier(_compute(path, session), labels, preprocessing, task, limits)


def compute_with_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    """The graph, run by onnxruntime on the CPU.

    Raises:
        RunError: onnxruntime is not installed.
        WeightsError: it is no graph.
    """
    return _compute(path, open_session(path))


def open_session(graph: Path | bytes) -> Any:  # noqa: ANN401 - onnxruntime has no types
    """A session of onnxruntime on the CPU, of the file of a graph or of the graph itself.

    Raises:
        RunError: onnxruntime is not installed.
        WeightsError: it is no graph.
    """
    require("onnxruntime", extra="onnx")
    import onnxruntime

    given = graph if isinstance(graph, bytes) else str(graph)
    path = "the graph" if isinstance(graph, bytes) else graph
    try:
        return onnxruntime.InferenceSession(given, providers=["CPUExecutionProvider"])
    except Exception as error:  # a file may hold anything; onnxruntime's errors have no common base
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path} cannot be read as ONNX: {reason:.300}; {_WRITTEN}") from error


def _compute(path: Path, session: Any) -> Callable[[Tensor], Tensor]:  # noqa: ANN401 - onnxruntime has no types
    def compute(images: Tensor) -> Tensor:
        try:
            (logits,) = session.run(["logits"], {"images": images.contiguous().numpy()})
        except Exception as error:  # a graph may be of any kind
            reason = " ".join(str(error).split())
            raise WeightsError(f"{path} does not classify images: {reason:.300}") from error
        return torch.from_numpy(logits)

    return compute

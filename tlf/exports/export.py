"""Export a run's model: write it to the side, compare it with the run, and only then name it."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from tlf.errors import RunError, TlfError, WeightsError, nearest
from tlf.exports.formats import FORMATS, Compute, Format, Source
from tlf.exports.parity import Sample, read_sample
from tlf.exports.quantize import quantize
from tlf.inference.classifier import AT_ONCE
from tlf.inference.metadata import read_metadata
from tlf.inference.predict import load_classifier
from tlf.runtime.files import written_whole

TOLERANCE = 1e-4
"""By how much a probability may differ from the same model's in torch: float32, added up in another
order."""

RUN_TOLERANCE = 0.02
"""By how much a probability may differ from the run's, which may have computed in 16 bits."""


@dataclass(frozen=True)
class Exported:
    """What was written, and how it compares."""

    path: str
    images: int
    """Images of the eval split that it was compared on."""
    difference: float
    """The largest difference between a probability and that in the run's predictions.csv."""
    metrics: Mapping[str, float]
    """What an evaluation on these images gives: ``top1``, the fraction classified correctly."""
    run_metrics: Mapping[str, float]
    """What the run's own predictions give."""


def export(
    run: str | PathLike[str],
    to: str,
    output: str | PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    int8: bool = False,
    margin: float = 0.01,
) -> Exported:
    """Write a run's best model for another library, if it gives what the run gave.

    Parameters:
        run: its folder.
        to: ``head``, ``model``, ``timm``, ``torchvision``, ``torch-export`` or ``onnx``.
        output: the file; if left out, ``exports`` in the run's folder and a name for the format.
        overwrite: replace the file if it is there.
        int8: with ``onnx``, 8-bit weights and activations.
        margin: how much of the task's first metric, such as top-1, 8 bits may cost.

    Raises:
        RunError: the run has not ended, the file is there, or packages are missing.
        DataError: the run's images are no longer there to compare on.
        WeightsError: the format cannot hold the model, or does not give what the run gave.
    """
    folder, form = Path(run), _format(to, int8)
    name = "model.int8.onnx" if int8 else form.file
    path = folder / "exports" / name if output is None else Path(output)
    if path.exists() and not overwrite:
        raise RunError(f"{path} is there; write --overwrite to replace it, or --output another")
    source = Source(folder, load_classifier(folder), read_metadata(folder / "model.safetensors"))
    sample = read_sample(folder, source.classifier)
    if output is None:
        path.parent.mkdir(exist_ok=True)
    found = _written(form, source, sample, path, margin if int8 else None)
    return Exported(
        path=str(path),
        images=len(sample.labels),
        difference=sample.difference(found),
        metrics=sample.evaluate(found),
        run_metrics=sample.evaluate(sample.probabilities),
    )


def _format(to: str, int8: bool) -> Format:
    if to not in FORMATS:
        raise TlfError(f"there is no format {to!r}; {nearest(to, [*FORMATS])}")
    if int8 and to != "onnx":
        raise TlfError("8 bits are for ONNX; write --to onnx --int8, or leave --int8 out")
    return FORMATS[to]


def _written(
    form: Format, source: Source, sample: Sample, path: Path, margin: float | None
) -> Tensor:
    """Write a file beside its place and name it once it is checked; its probabilities."""
    try:
        with TemporaryDirectory(dir=path.parent, prefix=".tlf-") as aside:
            side = Path(aside, form.file)  # loaders go by how a name ends
            found = _checked(form, source, sample, side, margin)
            with written_whole(path) as whole:
                copyfile(side, whole)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    return found


def _checked(
    form: Format, source: Source, sample: Sample, side: Path, margin: float | None
) -> Tensor:
    """Write a file and compare it, in 8 bits where there is a margin; its probabilities."""
    form.write(source, side)
    found = _probabilities(form.compute(source, side), sample)
    _check(source, sample, found)
    if margin is not None:
        quantize(side, sample.images)
        found = _probabilities(form.compute(source, side), sample)
        _check_cost(sample, found, margin)
    return found


def _probabilities(compute: Compute, sample: Sample) -> Tensor:
    # The first alone: a number of images that was built in would show.
    batches = [sample.images[:1], *torch.split(sample.images[1:], AT_ONCE)]
    with torch.inference_mode():
        logits = torch.cat([compute(batch) for batch in batches if len(batch)])
        return sample.task.probabilities(logits)


def _check(source: Source, sample: Sample, found: Tensor) -> None:
    own = _probabilities(source.classifier.model, sample)
    if (apart := float((found - own).abs().max())) > TOLERANCE:
        raise WeightsError(
            f"the export gives other probabilities than the model in torch, by up to {apart:.2g}; "
            "nothing was written"
        )
    if (apart := sample.difference(found)) > RUN_TOLERANCE:
        raise WeightsError(
            f"the export gives other probabilities than the run's predictions.csv, by up to "
            f"{apart:.2g}: "
            "its images or its model have changed since; nothing was written"
        )


def _check_cost(sample: Sample, found: Tensor, margin: float) -> None:
    metric = sample.task.metrics[0]
    before, after = (sample.evaluate(p)[metric.name] for p in (sample.probabilities, found))
    cost = before - after if metric.higher_is_better else after - before
    if cost > margin:
        raise WeightsError(
            f"8 bits cost {metric.shown(cost)} of {metric.title} on {len(sample.labels)} images, "
            f"more than the margin of {margin:.2%}; nothing was written. Leave --int8 out, or "
            "allow --margin"
        )

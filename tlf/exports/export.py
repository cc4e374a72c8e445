"""Export a run's model: write a temporary file, compare it with the run, only then rename it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from tlf.errors import RunError, TlfError, WeightsError, nearest
from tlf.exports.formats import FORMATS, Compute, Format, Source
from tlf.exports.parity import Sample, find_change, largest_difference, read_sample
from tlf.exports.plugin_formats import plugin_format
from tlf.exports.preprocessing.difference import EIGHT_BITS, FLOAT32, Difference, measure
from tlf.exports.preprocessing.whole_images import (
    WholeImages,
    check_preprocessing,
    find_whole_images,
)
from tlf.exports.quantize import quantize
from tlf.inference.classifier import AT_ONCE
from tlf.inference.metadata import read_metadata
from tlf.inference.predict import load_classifier
from tlf.inference.stopped import model_files
from tlf.runtime.files import check_free, written_whole

TOLERANCE = 1e-4
"""By how much a probability may differ from the same model's in torch: sums of float32 depend on
their order."""

RUN_TOLERANCE = 0.02
"""By how much a probability may differ from the run's, besides what 16 bits explain: the run may
have computed on another device."""


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how it compares with the run."""

    path: str
    images: int
    """The number of eval images that were compared."""
    difference: float
    """The largest difference from a probability in the run's predictions.csv."""
    metrics: Mapping[str, float]
    """The metrics of the export on these images, such as ``top1``."""
    run_metrics: Mapping[str, float]
    """The metrics of the run's own predictions on these images."""
    run_precision: str
    """What the run computed in; the export computes in float32."""
    loaded: bool = True
    """Whether the file was loaded and compared; if not, the figures are those of the model itself:
    a plugin's format may have no way to load it back."""
    preprocessing: Difference | None = None
    """What it changes that the file prepares images itself; None: it does not."""


def export(
    run: str | PathLike[str],
    to: str,
    output: str | PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    int8: bool = False,
    margin: float = 0.01,
    with_preprocessing: bool = False,
) -> Exported:
    """Write a run's best model for another library, if it gives the model's probabilities.

    Parameters:
        run: the folder of the run.
        to: ``head``, ``model``, ``timm``, ``torchvision``, ``torch-export`` or ``onnx``; or
            ``PLUGIN:NAME``, a format of a plugin.
        output: the file; by default a file in ``exports`` in the run's folder.
        overwrite: replace the file if it exists.
        int8: 8-bit weights and activations.
        margin: by how much 8 bits may worsen top-1, or mAP.
        with_preprocessing: an image (H, W, C) of any size in, probabilities out.

    Raises:
        RunError: the run has evaluated no epoch, the file exists, or packages are missing.
        DataError: images of the run are missing: nothing can be compared.
        PluginError: a plugin's format is broken, or there is no such format.
        WeightsError: the format cannot hold the model or its preprocessing, or the probabilities
            differ from the model's in float32, or the model's from the run's.
    """
    folder, format_ = Path(run), _find_format(to, int8)
    steps = _Steps(margin if int8 else None, find_whole_images(to) if with_preprocessing else None)
    path = _target(folder / "exports" / steps.name(format_), output, overwrite)
    with model_files(folder) as files:
        source = Source(files, load_classifier(files), read_metadata(files / "model.safetensors"))
        if steps.whole:
            check_preprocessing(source.metadata.preprocessing)
        sample = read_sample(files, source.classifier)
        if output is None:
            path.parent.mkdir(exist_ok=True)
        probabilities, difference = _write_checked(format_, source, sample, path, steps)
    return Exported(
        str(path),
        len(sample.labels),
        difference=sample.difference(probabilities),
        metrics=sample.evaluate(probabilities),
        run_metrics=sample.evaluate(sample.probabilities),
        run_precision=source.metadata.precision,
        loaded=format_.compute is not None,
        preprocessing=difference,
    )


@dataclass(frozen=True)
class _Steps:
    """What becomes of a file, once it gives what the model gives."""

    margin: float | None
    """What 8 bits may cost; None: it stays in float32."""
    whole: WholeImages | None
    """How it gets the preprocessing; None: it gets none."""

    def name(self, format_: Format) -> str:
        """The file's name, unless another is given."""
        stem, suffix = format_.file.rsplit(".", 1)
        int8 = ".int8" if self.margin is not None else ""
        return f"{stem}{int8}{'.preprocessing' if self.whole else ''}.{suffix}"


def _target(default: Path, output: str | PathLike[str] | None, overwrite: bool) -> Path:
    """Where the file is written."""
    path = default if output is None else Path(output)
    check_free(path, overwrite=overwrite)
    return path


def _find_format(to: str, int8: bool) -> Format:
    if int8 and to != "onnx":
        raise TlfError(
            f"--int8 needs --to onnx, got --to {to}; write --to onnx, or leave --int8 out"
        )
    if ":" in to:
        return plugin_format(to)
    if to not in FORMATS:
        raise TlfError(f"there is no format {to!r}; {nearest(to, [*FORMATS])}")
    return FORMATS[to]


def _write_checked(
    format_: Format, source: Source, sample: Sample, path: Path, steps: _Steps
) -> tuple[Tensor, Difference | None]:
    """Write a temporary file, check it, and rename it to ``path``; return its probabilities, and
    what the preprocessing in it changes.
    """
    try:
        with TemporaryDirectory(dir=path.parent, prefix=".tlf-") as folder:
            file = Path(folder, format_.file)  # loaders rely on the file's suffix
            probabilities = _write_and_compare(format_, source, sample, file, steps.margin)
            difference = None
            if steps.whole is not None:
                steps.whole.add(source, file)
                found = measure(steps.whole, source, sample, file, probabilities)
                probabilities, difference = found
                difference.check(FLOAT32 if steps.margin is None else EIGHT_BITS)
            with written_whole(path) as whole:
                copyfile(file, whole)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    return probabilities, difference


def _write_and_compare(
    format_: Format, source: Source, sample: Sample, file: Path, margin: float | None
) -> Tensor:
    """Write a file, in 8 bits if there is a margin, compare it, and return its probabilities."""
    format_.write(source, file)
    expected = _probabilities(partial(source.classifier.compute, precision="no"), sample)
    if format_.compute is None:
        _check_run(source, sample, expected)
        return expected
    probabilities = _probabilities(format_.compute(source, file), sample)
    _check_export(probabilities, expected)
    _check_run(source, sample, expected)
    if margin is not None:
        quantize(file, sample.images)
        probabilities = _probabilities(format_.compute(source, file), sample)
        _check_cost(sample, expected, probabilities, margin)
    return probabilities


def _probabilities(compute: Compute, sample: Sample) -> Tensor:
    # The first image alone, then batches: a file that takes one batch size only would fail.
    batches = [sample.images[:1], *torch.split(sample.images[1:], AT_ONCE)]
    with torch.inference_mode():
        logits = torch.cat([compute(batch) for batch in batches if len(batch)])
        return sample.task.probabilities(logits)


def _check_export(probabilities: Tensor, expected: Tensor) -> None:
    """Compare an export with the same model in torch; both compute in float32."""
    difference = largest_difference(probabilities, expected)
    if not difference <= TOLERANCE:  # NaN is no number that is small enough
        raise WeightsError(
            f"the export's probabilities differ from the model's in torch by up to "
            f"{difference:.2g}; nothing was written"
        )


def _check_run(source: Source, sample: Sample, expected: Tensor) -> None:
    """Compare the model in float32 with the run's own figures, which may be in 16 bits.

    Both the run's figures and those that the model gives here in the run's precision are rounded
    from the same float32 values. So they are about equally far from them.
    """
    difference = sample.difference(expected)
    if difference <= RUN_TOLERANCE:
        return
    precision = source.metadata.precision
    rounded = _probabilities(partial(source.classifier.compute, precision=precision), sample)
    rounding = largest_difference(rounded, expected)
    if not difference <= RUN_TOLERANCE + 2 * rounding:
        beyond = f", and {precision} explains {rounding:.2g} of it" if precision != "no" else ""
        raise WeightsError(
            f"the model's probabilities differ from the run's predictions.csv by up to "
            f"{difference:.2g}{beyond}: {find_change(source.run, sample)}; nothing was written"
        )


def _check_cost(sample: Sample, expected: Tensor, probabilities: Tensor, margin: float) -> None:
    metric = sample.task.metrics[0]
    before, after = (sample.evaluate(p)[metric.name] for p in (expected, probabilities))
    cost = before - after if metric.higher_is_better else after - before
    if cost > margin:
        raise WeightsError(
            f"8 bits cost {metric.shown(cost)} of {metric.title} on {len(sample.labels)} images, "
            f"more than the margin of {margin:.2%}; nothing was written. Leave --int8 out, or "
            "write a larger --margin"
        )

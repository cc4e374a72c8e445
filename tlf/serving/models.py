"""The models that are served. Those with the same backbone share it, and its features."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tlf.data.decoding.values import decoded_size
from tlf.data.transforms import dtype_of
from tlf.errors import DataError, RunError
from tlf.evaluation.models import sha256_of
from tlf.inference.classifier import TrainedClassifier
from tlf.inference.model_files import backbone_sha256
from tlf.inference.predict import load_classifier, run_folder
from tlf.inference.prediction import Prediction
from tlf.inference.read_ahead import StoredImage, read_one
from tlf.preprocessing import Preprocessing
from tlf.runtime.precision import usable
from tlf.runtime.text import printable
from tlf.serving.refusals import RefusedError

if TYPE_CHECKING:
    from tlf.inference.read_ahead import ImageLike


@dataclass(frozen=True)
class Upload:
    """An image of a request."""

    name: str | None
    """The name of its file, if the client says it."""
    data: bytes


@dataclass(frozen=True)
class Read:
    """An image that is ready for the models."""

    name: str | None
    pixels: tuple[Tensor, ...]
    """(C, S, S) for each way in which the models want it."""


@dataclass(frozen=True)
class Model:
    """A run that is served."""

    run: str
    """The name of its folder, with those around it where two have the same."""
    sha256: str | None
    """Of its ``model.safetensors``; None where the run has not ended."""
    classifier: TrainedClassifier
    precision: str
    """What it computes in on its device."""
    pixels: int
    """Which of the ``pixels`` of an image it takes."""
    features: int
    """The first model that has the same features: itself, unless it shares a backbone."""


@dataclass(frozen=True)
class Models:
    """All models of a server."""

    each: tuple[Model, ...]
    preprocessing: tuple[Preprocessing, ...]
    """The ways in which they want an image."""

    def read(self, upload: Upload, number: int, most_pixels: int) -> Read:
        """Decode an image. ``number``: what it is called where its client says no name.

        Raises:
            RefusedError: it cannot be read, or has too many pixels.
        """
        image: ImageLike | StoredImage = upload.data
        if upload.name is not None:
            image = StoredImage(upload.name, lambda: upload.data)
        try:
            for how in self.preprocessing:
                _check_pixels(upload, number, how, most_pixels)
            read = [read_one(image, how, number)[1] for how in self.preprocessing]
        except DataError as error:
            raise RefusedError(422, "unreadable-image", str(error)) from error
        return Read(upload.name, tuple(read))

    def classify(self, images: Sequence[Read]) -> list[list[Prediction]]:
        """The predictions for each image, one of each model. Features are computed once."""
        names, features = [image.name for image in images], dict[int, Tensor]()
        found = []
        for number, model in enumerate(self.each):
            if model.features == number:
                pixels = [image.pixels[model.pixels] for image in images]
                features[number] = model.classifier.features(pixels, model.precision)
            own = features[model.features]
            found.append([*model.classifier.from_features(names, own, model.precision)])
        return [[*one] for one in zip(*found, strict=True)]


def load_models(
    runs: Sequence[str | PathLike[str]], precision: str | None, device: str, nearest: int
) -> Models:
    """Load the best models of runs, as ``load_classifier`` does, and let them classify an image:
    the first request waits for nothing.

    Raises:
        RunError: a run is named twice.
        TlfError: what ``load_classifier`` raises.
        WeightsError: a model gives a probability that is not finite.
    """
    models: list[Model] = []
    ways: list[Preprocessing] = []
    for run, name in zip(runs, run_names(runs), strict=True):
        folder = run_folder(run)
        classifier = load_classifier(folder, precision, device=device, unlike=True, nearest=nearest)
        if classifier.preprocessing not in ways:
            ways.append(classifier.preprocessing)
        place = next(classifier.model.parameters()).device
        own = Model(
            name, sha256_of(folder), classifier, usable(classifier.precision, place),
            ways.index(classifier.preprocessing), len(models),
        )  # fmt: skip
        models.append(own)
    loaded = Models(tuple(_sharing(models)), tuple(ways))
    loaded.classify([Read(None, tuple(map(_pattern, ways)))])
    return loaded


def run_names(runs: Sequence[str | PathLike[str]]) -> list[str]:
    """The shortest ends of their paths that differ.

    >>> run_names(["/runs/one", "/runs/two"]), run_names(["/old/run", "/new/run"])
    (['one', 'two'], ['old/run', 'new/run'])

    Raises:
        RunError: a run is named twice.
    """
    found = [Path(run).resolve() for run in runs]
    paths = [path.parent if path.name == "model.safetensors" else path for path in found]
    for path in paths:
        if paths.count(path) > 1:
            raise RunError(f"runs must be different, got {path} twice; write it once")
    longest = max(len(path.parts) for path in paths)
    names = ([Path(*path.parts[-n:]).as_posix() for path in paths] for n in range(1, longest + 1))
    return next(ends for ends in names if len({*ends}) == len(ends))


def _sharing(models: Sequence[Model]) -> list[Model]:
    """The same models: those with the same features hold one backbone."""
    known: dict[tuple[str, str, int], list[Model]] = {}
    found = []
    for model in models:
        inner = model.classifier.model
        same = known.setdefault((backbone_sha256(inner), model.precision, model.pixels), [])
        own = _features(model)
        # Equal tensors may belong to another architecture. Equal features show that they do not.
        first = next((one for one in same if torch.equal(own, _features(one))), None)
        if first is None:
            same.append(model)
        else:
            inner.backbone = first.classifier.model.backbone
        found.append(replace(model, features=(first or model).features))
    return found


def _features(model: Model) -> Tensor:
    """Of an image that shows every value."""
    pixels = _pattern(model.classifier.preprocessing)
    return model.classifier.features([pixels], model.precision)


def _pattern(how: Preprocessing) -> Tensor:
    """An image (C, S, S) that shows every value."""
    values = torch.arange(how.channels * how.size**2) * 97 % (how.largest + 1)
    return values.to(dtype_of(how)).view(how.channels, how.size, how.size)


def _check_pixels(upload: Upload, number: int, how: Preprocessing, most: int) -> None:
    """Check what the header of an image says.

    Raises:
        RefusedError: it has too many pixels.
        DataError: it cannot be read.
    """
    name = printable(upload.name or f"image {number}")
    try:
        width, height = decoded_size(upload.data, reduced=how.reduced)
    except DataError as error:
        from PIL.Image import DecompressionBombError

        if isinstance(error.__cause__, DecompressionBombError):
            raise _too_many(name, "more", most) from error
        raise DataError(f"{name}: {error}") from error
    if width * height > most:
        raise _too_many(name, f"{width} × {height}", most)


def _too_many(name: str, got: str, most: int) -> RefusedError:
    message = f"{name} must have at most {most:,} pixels, got {got}; send it smaller"
    return RefusedError(422, "too-many-pixels", message)

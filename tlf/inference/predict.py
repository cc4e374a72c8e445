"""Classify images with a finished run, preprocessed as in its training."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.data.image_files import files_below, is_image
from tlf.errors import (
    DataError,
    PluginError,
    RunError,
    TlfError,
    WeightsError,
)
from tlf.inference.classifier import TrainedClassifier
from tlf.inference.metadata import Metadata, MissingTrainImagesWarning, read_metadata
from tlf.inference.model_files import load_model
from tlf.inference.placement import find_device, find_dtype
from tlf.inference.prediction import Prediction
from tlf.inference.sealed_file import absent
from tlf.inference.stopped import load_stopped, warn_if_unfinished
from tlf.inference.train_images import FILE, TrainImages, load_train_images
from tlf.model import Classifier
from tlf.pretrained.weights import HUB_PREFIX
from tlf.recipe.build import rebuild_model
from tlf.recipe.plan import ModelPlan, read_model_plan
from tlf.runtime.files import with_absolute
from tlf.runtime.precision import PRECISIONS
from tlf.runtime.stored.state import state_file

if TYPE_CHECKING:
    import torch

Paths = str | PathLike[str] | Iterable[str | PathLike[str]]


def load_classifier(
    run: str | PathLike[str],
    precision: str | None = None,
    *,
    device: "str | torch.device" = "cpu",
    dtype: "str | torch.dtype | None" = None,
    unlike: bool = False,
    nearest: int = 0,
) -> TrainedClassifier:
    """Load the best model of a run, with its preprocessing and labels. Only ``hf-hub:`` downloads.

    Of a run that was stopped it is the best model so far; an ``UnfinishedRunWarning`` says so.
    It can be pickled, so a process pool, joblib or Ray can send it to other processes. Of plugins,
    only those are needed that head, backbone or ``tlf_model_trained`` come from.

    Parameters:
        run: its folder, or the ``model.safetensors`` in it, or ``hf-hub:user/name``, with
            ``@revision`` where the commit is to stay the same. Its data set is not needed.
        precision: what it computes in: ``no`` (float32), ``bf16`` or ``fp16``; by default what the
            run computed in. A device that has no fast form of it computes in float32, with a
            ``PrecisionWarning``.
        device: where it computes: ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or a ``torch.device``.
        dtype: what its weights are converted to, and what it computes in: ``float32``,
            ``float16``, ``bfloat16``, ``float64``, or a ``torch.dtype``. It takes the place of
            ``precision``, which leaves the weights in float32.
        unlike: whether predictions say which images are unlike all train images. It reads the
            run's ``unlike.safetensors``; where the run has written none, they do not say it.
        nearest: how many of the most similar train images a prediction names, from the same file.

    >>> import tlf
    >>> tlf.load_classifier("runs/mine").predict("ant.jpg").label  # doctest: +SKIP
    'ants'

    Raises:
        RunError: there is no run that has evaluated an epoch. Or there is no such precision, device
            or dtype. Or train images are asked for that the run has not stored.
        PluginError: a plugin that the model needs is missing.
        WeightsError: its weights are damaged.
    """
    place = find_device(device)
    type_ = find_dtype(dtype) if dtype is not None else None
    _check_precision(precision, type_)
    folder = run_folder(run)
    model, metadata = _loaded(folder)
    images = _train_images(folder, metadata, nearest) if unlike or nearest else None
    warn_if_unfinished(folder)
    return TrainedClassifier(
        model.eval().to(place, type_), metadata.classes, metadata.preprocessing, metadata.task,
        "no" if type_ else precision or metadata.precision, metadata.calibration, images, nearest,
    )  # fmt: skip


def run_folder(run: str | PathLike[str]) -> Path:
    """The folder of a run, of its file, or of a run on the hub, which is fetched.

    Raises:
        RunError: it cannot be fetched.
    """
    if fspath(run).startswith(HUB_PREFIX):
        from tlf.pretrained.hub_runs import fetch_run  # a folder is loaded without it

        return fetch_run(fspath(run))
    given = Path(run)
    return given.parent if given.name == "model.safetensors" else given


def _train_images(folder: Path, metadata: Metadata, nearest: int) -> TrainImages | None:
    """The train images that a run has stored; None if they are not there and none is to be named.

    Raises:
        RunError: it has stored none, or they are no longer there.
        WeightsError: they are damaged, or of another run.
    """
    path = folder / FILE
    if metadata.unlike is not None and (nearest or path.is_file()):
        return load_train_images(path, metadata.unlike)
    if metadata.unlike is not None:
        warnings.warn(
            f"there is no {path}, so nothing is said of images that are unlike the train images; "
            "copy it from the run",
            MissingTrainImagesWarning,
            stacklevel=3,
        )
    if nearest:
        raise RunError(
            f"the run in {folder} has not stored its train images, so none can be named; train it "
            "with unlike=true"
        )
    return None


def _loaded(folder: Path) -> tuple[Classifier, Metadata]:
    """The best model of a run, and what its file says."""
    weights = folder / "model.safetensors"
    if not weights.is_file() and state_file(folder).is_file():
        return load_stopped(folder)
    recipe = _recipe_of(weights)
    metadata = read_metadata(weights)
    plan = _plan(weights, recipe, metadata)
    model = _rebuilt(weights, plan, metadata)
    plan.plugins.hook.tlf_model_trained(model=model)
    load_model(weights, model)
    return model, metadata


def _recipe_of(weights: Path) -> Path:
    """The recipe beside the weights of a run.

    Raises:
        RunError: one of them is missing.
    """
    if not weights.is_file():
        raise absent(weights, "the folder of a run that has ended")
    recipe = weights.with_name("recipe.toml")
    if not recipe.is_file():
        raise RunError(
            f"the folder of {weights.name} must also hold its recipe, got no {recipe}; "
            "copy it from the run"
        )
    return recipe


def _check_precision(precision: str | None, dtype: "torch.dtype | None") -> None:
    if precision not in (None, *PRECISIONS):
        raise RunError(
            f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}; leave it out "
            "for the run's own"
        )
    if precision is not None and dtype is not None:
        raise RunError(
            f"precision and dtype must not both be given, got {precision!r} and {dtype}; leave one "
            "out"
        )


def _plan(weights: Path, recipe: Path, metadata: Metadata) -> ModelPlan:
    """The parts of the run's recipe that the model is built from, with the plugins for them.

    Raises:
        PluginError: one is missing or broken; names those that were used in training.
    """
    try:
        return read_model_plan(recipe, metadata.changed_by)
    except PluginError as error:
        if not metadata.plugins:
            raise
        used = ", ".join(f"{name!r} of {package}" for name, package in metadata.plugins.items())
        raise PluginError(f"{weights} needs the plugin {used}: {error}") from error


def _rebuilt(weights: Path, plan: ModelPlan, metadata: Metadata) -> Classifier:
    """The model that the file of the weights describes, without the weights."""
    config = metadata.backbone.get("config", {})
    try:
        size = metadata.preprocessing.size
        return rebuild_model(plan, len(metadata.classes), config, size)
    except (TlfError, MemoryError):
        raise
    except Exception as error:  # a file may hold values of any type
        problem = f"tlf {metadata.tlf} wrote a backbone that this tlf cannot rebuild"
        raise WeightsError(f"{weights}: {problem}: {error!s:.300}") from error


def predict(
    run: str | PathLike[str],
    images: Paths,
    unreadable: Callable[[DataError], object] | None = None,
    precision: str | None = None,
    nearest: int = 0,
) -> Iterator[Prediction]:
    """Classify images with the best model of a run: what ``tlf predict RUN IMAGE...`` prints.

    Parameters:
        run: its folder, or ``hf-hub:user/name``.
        images: an image file, a folder of them, or a list of such paths. An iterator of paths is
            read while images are classified; a path in it that does not exist is an unreadable
            image.
        unreadable: called with the error of each unreadable image, which is left out; for example
            a list's ``append``. Without it, the first unreadable image raises.
        precision: what to compute in, see ``load_classifier``. On the device of the run, its eval
            images get the labels of its predictions.csv; in the order of the file they also get
            the same bits of probabilities, unless stages were frozen.
        nearest: how many of the most similar train images each prediction names.

    Yields:
        A prediction for each image, as soon as it is known. The images of a folder and its
        subfolders come sorted by path.

    Raises:
        RunError: the folder holds no run that has evaluated an epoch.
        WeightsError: its weights are damaged.
        DataError: names the path that does not exist, or the unreadable image.
    """
    paths = [images] if isinstance(images, str | PathLike) else images
    files = expand(paths) if isinstance(paths, Sequence) else _each_within(paths, unreadable)
    classifier = load_classifier(run, precision, unlike=True, nearest=nearest)
    return classifier.each(files, unreadable)


def expand(paths: Sequence[str | PathLike[str]]) -> tuple[str, ...]:
    """Image files as they are, and the images in folders and their subfolders, sorted by path.

    Raises:
        DataError: names the path that does not exist, or the folder without images.
    """
    for path in paths:
        if not os.path.exists(path):
            raise DataError(
                f"{with_absolute(path)}: there is no such file or folder; name an image, or "
                "a folder"
            )
    return tuple(image for path in paths for image in _within(fspath(path)))


def _each_within(
    paths: Iterable[str | PathLike[str]], unreadable: Callable[[DataError], object] | None
) -> Iterator[str]:
    """The same, one after the other: the error of a folder is that of an unreadable image."""
    for path in paths:
        try:
            images = _within(fspath(path))
        except DataError as error:
            if unreadable is None:
                raise
            unreadable(error)
        else:
            yield from images


def _within(path: str) -> Sequence[str]:
    if not os.path.isdir(path):
        return [path]
    images = sorted((name for name in files_below(path) if is_image(name)), key=_parts)
    if not images:
        raise DataError(f"{path}: no images in this folder; name one with .jpg or .png files")
    return [os.path.join(path, name) for name in images]


def _parts(name: str) -> list[str]:
    return name.split("/")

"""Evaluate a model on labelled images, or compare two models on the same ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path

from tlf.components import Split
from tlf.data.inspection.readable import ReadSubset
from tlf.errors import DataError
from tlf.evaluation.classify import Watch, classify, unwatched
from tlf.evaluation.doubts import doubt_about_eval, doubts, only
from tlf.evaluation.groups import are_unknown, recorded_groups
from tlf.evaluation.images import Source, align, source_of
from tlf.evaluation.look_counter import look_counter
from tlf.evaluation.looks import Look, command_of
from tlf.evaluation.models import check_models, load, run_of
from tlf.evaluation.same_bytes import Shared
from tlf.evaluation.views import ONE, Views, read_views
from tlf.inference.metadata import read_metadata
from tlf.inference.model_files import same_eval_images
from tlf.inference.predictions import read_predictions
from tlf.inference.stopped import model_files, warn_if_unfinished
from tlf.metrics.multi_label.comparison import AnyComparison
from tlf.metrics.multi_label.figures import AnyEvaluation
from tlf.metrics.predicted import AnyPredicted
from tlf.runtime.stored.state import state_file
from tlf.tasks import TASKS


@dataclass(frozen=True)
class Averaged:
    """The same model with its probabilities averaged over several views of each image."""

    title: str
    """``flip`` or ``views=K``."""
    views: int
    """How many views."""
    predicted: AnyPredicted
    evaluation: AnyEvaluation
    comparison: AnyComparison
    """One view against all of them."""


@dataclass(frozen=True)
class Evaluated:
    """What a model is worth on labelled images."""

    model: str
    """The path of the model."""
    data: str
    """What the images are."""
    name: str
    """The same in short: the name that the folder of its files gets."""
    predicted: AnyPredicted = field(repr=False)
    evaluation: AnyEvaluation = field(repr=False)
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Class that the model does not know → its images. They are left out; an image that may have
    any number of labels loses this one."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """Name of an image that cannot be read, and why."""
    recorded: bool = False
    """Whether the run had recorded these predictions, so that nothing was classified again."""
    read: Callable[[int], bytes] | None = field(default=None, repr=False)
    """The bytes of the i-th image of ``predicted``; None where the images are no longer there."""
    tta: Averaged | None = field(default=None, repr=False)
    """With test-time augmentation."""
    other: "Evaluated | None" = field(default=None, repr=False)
    """The second of two models."""
    comparison: AnyComparison | None = field(default=None, repr=False)
    """The two models, image by image."""
    split: str | None = None
    """Which split of the run's recipe the images are, with the options that change it: ``train``,
    ``eval`` or ``test``; None: they are others."""
    looks: tuple[Look, ...] = ()
    """Of the test split of a run: all looks at it so far, this one included."""
    test_split: bool = False
    """Whether the images are the test split of the model's own run, as its recipe names it."""
    shared: tuple[Shared, ...] = ()
    """Of the test split of a run: images of it that are in another split, too."""
    doubts: tuple[str, ...] = ()
    """Why the figures may be too high, as the run has trained on images, or may have: one sentence
    each."""
    groups_unknown: bool = False
    """Whether images belong together, as the recipe of the run says, and it is not known which."""
    notes: tuple[str, ...] = ()
    """What files of fixes have changed in the images, and what else is to be known about them."""

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from html import escape

        other = "" if self.other is None else self.other._repr_html_()
        return (
            f"<p>{escape(f'{self.model} on {self.data}')}</p>{self.evaluation._repr_html_()}{other}"
        )


@dataclass(frozen=True)
class How:
    """How each model is evaluated."""

    precision: str | None = None
    backbone: str | PathLike[str] | None = None
    views: Views = ONE
    watch: Watch = unwatched

    @property
    def as_recorded(self) -> bool:
        """Whether the predictions of a run would be those that it has recorded."""
        return self.precision is None and self.views == ONE


def evaluate(
    model: str | PathLike[str],
    data: str | PathLike[str] | None = None,
    *,
    overrides: Sequence[str] = (),
    split: str | None = None,
    backbone: str | PathLike[str] | None = None,
    precision: str | None = None,
    tta: str | None = None,
    against: str | PathLike[str] | None = None,
    watch: Watch = unwatched,
) -> Evaluated:
    """Evaluate a model on labelled images: what ``tlf evaluate MODEL`` prints. Looks at the test
    split of a run (``data.test``) are counted in its folder; no other file is written.

    Classes are matched by their names. The images of a run's own eval split are in its
    predictions.csv already: nothing is classified again.

    Parameters:
        model: the folder of a run, an exported ONNX file, or a head.safetensors.
        data: a folder of class folders, or a CSV file; by default the images of the model's run.
        overrides: options of the dataset.
        split: ``train``, ``eval``, ``test``, or as the dataset calls it. By default the eval split;
            where ``data`` has none, all of its images.
        backbone: for a head: the file with the weights of its backbone.
        precision: ``no``, ``bf16`` or ``fp16``; by default what the run was trained in.
        tta: ``flip`` or ``views=K``: average over several views of each image, too.
        against: a second model, to be compared with the first on the same images.
        watch: may show progress (see ``tlf.evaluation.classify.Watch``).

    >>> import tlf
    >>> tlf.evaluate("runs/mine").evaluation.headline["top1"]  # doctest: +SKIP
    Figure(value=0.9477, low=0.9085, high=0.9804)

    Raises:
        RunError: there is no such model, or an option does not fit it.
        DataError: the images are missing, or none is of a class that the model knows.
        RecipeError: an option of the dataset is wrong.
        WeightsError: the model is damaged, or its logits are not finite.
    """
    paths = [Path(path) for path in (model, against) if path is not None]
    check_models(paths, precision, backbone)
    how = How(precision, backbone, read_views(tta), watch)
    source = source_of(paths[0], data, overrides, split)
    given = {"--data": data, "--split": split, "--backbone": backbone, "--tta": tta}
    given["--precision"] = precision
    one, *others = _evaluated(paths, source, how, command_of("evaluate", paths, overrides, given))
    for other in others:
        one = replace(one, other=other, comparison=one.predicted.compare(other.predicted))
    return one


def _evaluated(models: Sequence[Path], source: Source, how: How, command: str) -> list[Evaluated]:
    """Each model on the images of a source. Looks at the test split of a run are counted."""
    counter = look_counter(models, source)
    found = [replace(evaluated_on(model, source, how), split=source.split) for model in models]
    return counter.counted(found, command)


def evaluated_on(model: Path, source: Source, how: How, files: Path | None = None) -> Evaluated:
    """A model on the images of a source. What it has recorded of them is read.

    ``files``: the folder of its files, where they are not in that of the run.
    """
    if how.as_recorded and _has_recorded(files or model, source):
        return _recorded(model, source, files or model)
    run = run_of(model)
    doubted = [] if run is None else [*doubts(run, source)]
    loaded = load(files or model, how.precision, how.backbone)
    images = align(source.found, source.title, loaded.labels, TASKS[loaded.task])
    found = classify(loaded, images, how.views, how.watch)
    if run is not None:
        doubted += doubt_about_eval(run, source, found.predicted.names)
    return Evaluated(
        model=str(model),
        data=source.title,
        name=source.name,
        predicted=found.predicted,
        evaluation=found.predicted.evaluation(),
        unknown=images.unknown,
        unreadable=found.unreadable,
        read=ReadSubset(source.found.images, found.positions),
        tta=_averaged(how.views, found.predicted, found.averaged),
        doubts=tuple(doubted),
        groups_unknown=are_unknown(run, found.predicted.groups),
        notes=source.found.notes,
    )


def _has_recorded(model: Path, source: Source) -> bool:
    """Whether a model is a run that has evaluated these very images."""
    own = source.run
    if own is None or not (model.is_dir() or model.name == "model.safetensors"):
        return False
    run = run_of(model)
    if run is None or (run != own and not same_eval_images(run, own)):
        return False
    if (run / "model.safetensors").is_file():
        return (run / "predictions.csv").is_file()
    return state_file(run).is_file()


def _recorded(model: Path, source: Source, stored: Path) -> Evaluated:
    """The predictions that a run has recorded, or those of its stored state. ``stored``: the folder
    or the file that has them.
    """
    run, stored = run_of(model) or model, run_of(stored) or stored
    if (stored / "model.safetensors").is_file():
        warn_if_unfinished(stored)
    with model_files(stored) as files:
        predicted = read_predictions(files / "predictions.csv").with_thresholds(
            lambda: read_metadata(files / "head.safetensors").thresholds
        )
    own = only(source, predicted.names)
    images = _images(own)
    runs = [one for one in (source.run, run) if one is not None]
    groups = recorded_groups(runs, predicted.names, lambda: images)
    predicted = replace(predicted, groups=groups)
    return Evaluated(
        model=str(model),
        data=source.title,
        name=source.name,
        predicted=predicted,
        evaluation=predicted.evaluation(),
        recorded=True,
        read=None if images is None else images.read,
        doubts=tuple(doubts(run, own, ask=False)),
        groups_unknown=are_unknown(run, groups),
    )


def _images(source: Source) -> Split | None:
    """The images of a source, if they are still there."""
    try:
        return source.found.images
    except DataError:
        return None


def _averaged(views: Views, plain: AnyPredicted, averaged: AnyPredicted | None) -> Averaged | None:
    if averaged is None:
        return None
    return Averaged(
        views.title, views.count, averaged, averaged.evaluation(), plain.compare(averaged)
    )

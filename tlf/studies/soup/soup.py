"""Average the weights of several runs, and see whether the mean is better than the best run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from tlf.errors import DataError, RunError
from tlf.evaluation.classify import Watch, classify, unwatched
from tlf.evaluation.evaluate import Evaluated, How, evaluated_on
from tlf.evaluation.images import Aligned, Source, align, source_of
from tlf.evaluation.look_counter import LookCounter, look_counter
from tlf.evaluation.looks import command_of
from tlf.evaluation.models import fast
from tlf.evaluation.summary import left_out, shared_cautions
from tlf.inference.classifier import TrainedClassifier
from tlf.inference.model_files import model_tensors
from tlf.inference.predict import load_classifier
from tlf.metrics.predicted import AnyPredicted
from tlf.pretrained.weights import fit
from tlf.runtime.cores import check_alone
from tlf.runtime.files import check_creatable
from tlf.runtime.text import printable
from tlf.studies.accuracy import percent
from tlf.studies.soup.average import Average, Tensors
from tlf.studies.soup.files import write_soup
from tlf.studies.soup.members import Member, open_members
from tlf.studies.soup.own_split import on_own_split
from tlf.studies.soup.souped import FOLDER, GREEDY, UNIFORM, Soup, Tried
from tlf.tasks import TASKS
from tlf.tasks.metric import Metric

Say = Callable[[str], object]
"""Told each step: a sentence."""


@dataclass(frozen=True)
class _Ranked:
    """A run of a soup, and what it is worth alone."""

    member: Member
    evaluated: Evaluated

    @property
    def predicted(self) -> AnyPredicted:
        """What it makes of the images."""
        return self.evaluated.predicted

    @property
    def figure(self) -> float:
        """Its main metric."""
        return _figure(self.predicted)

    @property
    def metric(self) -> Metric:
        """The main metric of its task."""
        return TASKS[self.member.metadata.task].metrics[0]


@dataclass(frozen=True)
class _Pot:
    """What soups are made in: one model, whose weights are replaced."""

    classifier: TrainedClassifier
    images: Aligned
    watch: Watch
    expected: AnyPredicted
    """Of the best run, for the same images."""

    def figure(self, weights: Tensors) -> float:
        """The main metric of a model with these weights."""
        fit(self.classifier.model, weights)
        found = self.predicted()
        _check_same_images(self.expected, found)
        return _figure(found)

    def predicted(self) -> AnyPredicted:
        """What the model makes of the images."""
        return classify(fast(self.classifier), self.images, watch=self.watch).predicted


def _silent(_text: str) -> None:
    """Tell nobody."""


def soup(
    runs: Sequence[str | PathLike[str]],
    overrides: Sequence[str] = (),
    *,
    uniform: bool = False,
    data: str | PathLike[str] | None = None,
    split: str | None = None,
    output: str | PathLike[str] | None = None,
    watch: Watch = unwatched,
    say: Say = _silent,
) -> Soup:
    """Average the weights of several runs that share their start, and write the mean into a new
    folder, which is used as that of a run.

    A greedy soup begins with the run whose main metric is highest: top-1, or mAP of images with
    several labels. The others follow, the best first, and each is kept where the soup is no worse
    with it than without it.

    Parameters:
        runs: their folders, two or more.
        overrides: options of the dataset, such as ``data.root=photographs``.
        uniform: average all runs, whatever they add.
        data: images to choose by: a folder or a CSV file; by default the eval split of the runs.
        split: as in ``tlf.evaluate``. Test images of the runs are for a uniform soup alone.
        output: the folder; one of that name stays as it is: the new one then ends in ``-2``.
        watch: may show progress (see ``tlf.evaluation.classify.Watch``).
        say: told each step.

    >>> import tlf
    >>> print(tlf.soup(["runs/a", "runs/b", "runs/c"]))  # doctest: +SKIP

    Raises:
        RunError: the runs do not share their start, one is no run or is named twice, there are
            fewer than two, test images would choose, or the folder cannot be written.
        DataError, WeightsError: the images are missing, or a model is damaged.
    """
    check_alone("a soup")
    kind, paths = UNIFORM if uniform else GREEDY, [Path(run) for run in runs]
    folder = Path(output) if output is not None else FOLDER / kind
    check_creatable(folder)
    with ExitStack() as exits:
        members = open_members(paths, exits)
        source = source_of(paths[0], data, overrides, split)
        given = {"--data": data, "--split": split, "--output": output}
        command = command_of("soup --uniform", paths, overrides, given)  # no other one looks
        ranked = _ranked(members, _looks(paths, source, kind), How(watch=watch), say, command)
        pot = _pot(ranked[0], source, watch)
        average, tried = (_mixed if uniform else _chosen)(ranked, pot, say)
        fit(pot.classifier.model, average.mean())
        return _written(folder, kind, source, ranked, tried, pot)


def _written(
    folder: Path,
    kind: str,
    source: Source,
    ranked: Sequence[_Ranked],
    tried: Sequence[Tried],
    pot: _Pot,
) -> Soup:
    """What the soup in the pot is worth. Its folder is written."""
    best, own_images = ranked[0], source.run is not None
    own = on_own_split(best.member.run, pot.classifier, pot.watch)
    predicted = own.predicted if own_images else pot.predicted()
    _check_same_images(pot.expected, predicted)
    result = Soup(
        folder, kind, source.title, len(predicted), tuple(tried),
        predicted.evaluation().headline[best.metric.name],
        best.predicted.compare(predicted),
        own_images, tuple(left_out(best.evaluated)), best.metric,
        tuple(shared_cautions([one.evaluated for one in ranked])),
    )  # fmt: skip
    kept = [one.member for one, how in zip(ranked, tried, strict=True) if how.kept]
    return write_soup(result, pot.classifier, kept, own, best.evaluated.looks[-1:])


def _looks(runs: Sequence[Path], source: Source, kind: str) -> LookCounter:
    """Counts the looks at the test splits of runs. No test image chooses.

    Raises:
        RunError: one would, or a look cannot be counted.
    """
    looks = look_counter(runs, source)
    if kind == GREEDY and (count := looks.test_images):
        raise RunError(
            f"a greedy soup must be chosen by other images than the test images of its runs, got "
            f"{source.title}, with {count:,} of them; leave --data and --split out to choose by "
            "the eval split, or write --uniform, which chooses nothing and counts a look"
        )
    return looks


def _evaluated(
    members: Sequence[Member], source: Source, how: How, say: Say
) -> Iterator[Evaluated]:
    """What each run is worth alone.

    Raises:
        DataError: they were evaluated on different images.
    """
    first = None
    for member in members:
        one = evaluated_on(member.run, source, how, member.files)
        first = first or one
        _check_same_images(first.predicted, one.predicted)
        alone = _Ranked(member, one)
        say(f"{printable(str(member.run))} alone: {_percent(alone.figure, alone)}")
        yield one


def _ranked(
    members: Sequence[Member], looks: LookCounter, how: How, say: Say, command: str
) -> list[_Ranked]:
    """The runs, the most accurate first; of equal ones, the first that was named. Looks are
    counted.
    """
    found = looks.counted([*_evaluated(members, looks.source, how, say)], command)
    return sorted(map(_Ranked, members, found), key=lambda one: -one.figure)


def _pot(best: _Ranked, source: Source, watch: Watch) -> _Pot:
    classifier = load_classifier(best.member.files)
    images = align(source.found, source.title, classifier.labels, TASKS[classifier.task])
    return _Pot(classifier, images, watch, best.predicted)


def _mixed(ranked: Sequence[_Ranked], _pot: _Pot, _say: Say) -> tuple[Average, list[Tried]]:
    """The mean of all runs."""
    average = Average(model_tensors(ranked[0].member.model))
    for one in ranked[1:]:
        average.add(model_tensors(one.member.model))
    return average, [_tried(one, kept=True) for one in ranked]


def _chosen(ranked: Sequence[_Ranked], pot: _Pot, say: Say) -> tuple[Average, list[Tried]]:
    """The mean of the runs that make it no worse."""
    best, *others = ranked
    average, most = Average(model_tensors(best.member.model)), best.figure
    tried = [_tried(best, kept=True)]
    for one in others:
        weights = model_tensors(one.member.model)
        figure = pot.figure(average.mean(weights))
        if kept := figure >= most:
            average.add(weights)
            most = figure
        tried.append(_tried(one, kept=kept, soup=figure))
        verdict = "kept" if kept else "left out"
        say(f"with {printable(str(one.member.run))}: {_percent(figure, one)}, {verdict}")
    return average, tried


def _tried(one: _Ranked, *, kept: bool, soup: float | None = None) -> Tried:
    accuracy = one.evaluated.evaluation.headline[one.metric.name]
    return Tried(str(one.member.run), accuracy, kept, soup)


def _percent(figure: float, one: _Ranked) -> str:
    return f"{one.metric.title} {percent(figure)}"


def _figure(predicted: AnyPredicted) -> float:
    return float(predicted.per_image.mean())


def _check_same_images(one: AnyPredicted, other: AnyPredicted) -> None:
    """Check that two models were evaluated on the same images with the same labels.

    Raises:
        DataError: they were not: what a run has recorded may be of images that have changed.
    """
    first, second = ([*_labelled(predicted)] for predicted in (one, other))
    if sorted(first) != sorted(second):
        odd = min({*first} ^ {*second}, default=first[0])[0]
        raise DataError(
            f"all runs and their soup must be evaluated on the same images, got {len(first):,} and "
            f"{len(second):,} images, which differ in {odd}; put the eval images of the runs back, "
            "or write --data and other images"
        )


def _labelled(predicted: AnyPredicted) -> Iterator[tuple[str, str]]:
    for name, label in zip(predicted.names, predicted.label_names, strict=True):
        yield printable(name), printable(label)

"""Tables of the epochs of runs: one run, several runs side by side, the stages of a run."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tlf.cli.lines import audit_lines
from tlf.events import SegmentStarted
from tlf.results import EpochResult, measured
from tlf.runs.history import best_of
from tlf.tasks import DEFAULT_MONITOR
from tlf.tasks.metric import LOSS, Metric

DASH = "{} –: labels were mixed, a plugin made the steps, or an older tlf ran"
"""Why there is no figure of the training steps."""


def history_lines(results: Iterable[EpochResult], monitor: str = DEFAULT_MONITOR) -> Iterator[str]:
    """The epochs of a run: two lines of titles, a line for each epoch, what the signs mean."""
    epochs = list(results)
    width, metrics, best = _width(epochs), measured(epochs), best_of(epochs, monitor)
    trained = _measured_in_training(epochs, metrics)
    yield f"{'':<{width}}           train{'eval':>{len(_titles(trained))}}".rstrip()
    yield (
        f"{'phase':<{width}} epoch {_titles(trained)}{_titles(metrics)}"
        f"{'lr':>10}{'images/s':>9}{'seconds':>8}"
    )
    for epoch in epochs:
        yield (
            f"{epoch.phase:<{width}} {epoch.epoch + 1:5}{_star(epoch, best)}"
            f"{_trained(epoch, trained)}{_figures(epoch.metrics, metrics)}{epoch.lr:10.2e}"
            f"{epoch.images_per_second:9.0f}{epoch.seconds:8.1f}"
        )
    if best is not None:
        yield f"* the best epoch, by {monitor}"
    for metric in trained:
        if any(metric.name not in epoch.train_metrics for epoch in epochs):
            yield DASH.format(f"train {metric.title}")
    if epochs and epochs[-1].stopped is not None:
        yield epochs[-1].stopped


def side_by_side(
    histories: Mapping[str, Sequence[EpochResult]], monitors: Mapping[str, str]
) -> Iterator[str]:
    """The evaluations of several runs: the same epoch of all of them in a line.

    Parameters:
        histories: run → its epochs.
        monitors: run → the figure that decides which epoch is the best.
    """
    every = [epoch for epochs in histories.values() for epoch in epochs]
    width, metrics = _width(every), measured(every)
    names = {run: f"run {number}" for number, run in enumerate(histories, start=1)}
    best = {run: best_of(epochs, monitors[run]) for run, epochs in histories.items()}
    found = {run: {(e.phase, e.epoch): e for e in epochs} for run, epochs in histories.items()}
    yield from (f"{name}  {run}" for run, name in names.items())
    yield from _different_phases({name: histories[run] for run, name in names.items()})
    yield ""
    span = len(_titles(metrics)) + 1
    yield f"{'':<{width}}       {''.join(f'{name:>{span}}' for name in names.values())}"
    yield f"{'phase':<{width}} epoch {f'{_titles(metrics)} ' * len(names)}".rstrip()
    for place in _places(every):
        cells = [_cell(found[run].get(place), best[run], metrics) for run in histories]
        yield f"{place[0]:<{width}} {place[1] + 1:5} {''.join(cells)}".rstrip()
    for run, epoch in best.items():
        if epoch is not None:
            figure = f"{names[run]}, by {monitors[run]}"
            yield f"* the best epoch of {figure}: {epoch.phase} {epoch.epoch + 1}"


def stage_lines(epochs: Iterable[EpochResult]) -> Iterator[str]:
    """How each stage trained in each epoch; a frozen one has dashes."""
    rows = [(epoch, stage) for epoch in epochs for stage in epoch.stages]
    phase = _width(epoch for epoch, _ in rows)
    width = max([len("stage"), *(len(stage) for _, stage in rows)])
    yield (
        f"{'phase':<{phase}} epoch  {'stage':<{width}}  {'grad norm':>9}  {'weight norm':>11}  "
        f"{'update ratio':>12}"
    )
    for epoch, stage in rows:
        signals = epoch.stages[stage]
        gradient, update = f"{signals.grad_norm:.3g}", f"{signals.update_ratio:.2e}"
        if signals.frozen:
            gradient = update = "–"
        yield (
            f"{epoch.phase:<{phase}} {epoch.epoch + 1:5}  {stage:<{width}}  {gradient:>9}  "
            f"{signals.weight_norm:>11.5g}  {update:>12}"
        )


def segment_lines(segments: Iterable[SegmentStarted]) -> Iterator[str]:
    """What each segment has left as it was, and what it has changed."""
    for segment in segments:
        yield f"phase {segment.phase}, from epoch {segment.epoch + 1}"
        if segment.audit is None:
            yield "  its end was not audited: it has not ended, or an older tlf wrote it"
        else:
            yield from (f"  {line}" for line in audit_lines(segment.audit))


def _places(epochs: Iterable[EpochResult]) -> list[tuple[str, int]]:
    """Phase and number of every epoch, phases in the order in which they are first met."""
    places = {(epoch.phase, epoch.epoch) for epoch in epochs}
    phases = [*dict.fromkeys(epoch.phase for epoch in epochs)]
    return sorted(places, key=lambda place: (phases.index(place[0]), place[1]))


def _different_phases(runs: Mapping[str, Sequence[EpochResult]]) -> Iterator[str]:
    """The phases of each run, where not all have the same with as many epochs."""
    phases = {
        run: ", ".join(
            f"{phase} {count}" for phase, count in Counter(e.phase for e in epochs).items()
        )
        for run, epochs in runs.items()
    }
    if len({*phases.values()}) > 1:
        yield "their phases and numbers of epochs differ:"
        yield from (f"  {run}: {text}" for run, text in phases.items())


def _cell(epoch: EpochResult | None, best: EpochResult | None, metrics: Sequence[Metric]) -> str:
    if epoch is None:
        return f"{_figures({}, metrics[:1])}{'':{sum(map(_column, metrics[1:]))}} "
    return f"{_figures(epoch.metrics, metrics)}{_star(epoch, best)}"


def _star(epoch: EpochResult, best: EpochResult | None) -> str:
    return "*" if epoch is best else " "


def _width(epochs: Iterable[EpochResult]) -> int:
    return max([len("phase"), *(len(epoch.phase) for epoch in epochs)])


def _titles(metrics: Iterable[Metric]) -> str:
    return f"{'loss':>9}{''.join(f'{one.title:>{_column(one)}}' for one in metrics)}"


def _column(metric: Metric) -> int:
    """The width of a metric's column, with the space before it."""
    return max(8, len(metric.title) + 2)


def _measured_in_training(
    epochs: Sequence[EpochResult], metrics: Sequence[Metric]
) -> Sequence[Metric]:
    """The metric that the training steps measure, too; the main one, where none has done so."""
    known = {name for epoch in epochs for name in epoch.train_metrics}
    return [metric for metric in metrics if metric.name in known] or metrics[:1]


def _trained(epoch: EpochResult, metrics: Sequence[Metric]) -> str:
    """What the training steps of an epoch have measured: the loss and a metric."""
    return _figures({LOSS.name: epoch.train_loss, **epoch.train_metrics}, metrics)


def _figures(figures: Mapping[str, float], metrics: Iterable[Metric]) -> str:
    """The loss and metrics, below their titles."""
    shown = "".join(f"{_figure(one, figures.get(one.name)):>{_column(one)}}" for one in metrics)
    return f"{_loss(figures.get(LOSS.name)):>9}{shown}"


def _figure(metric: Metric, figure: float | None) -> str:
    """A figure, or a dash where an epoch was not measured by it."""
    return "–" if figure is None else metric.shown(figure)


def _loss(loss: float | None) -> str:
    if loss is None:
        return "–"
    return f"{loss:.4f}" if abs(loss) < 1000 else f"{loss:.2e}"

"""The result of an epoch as a line of metrics.jsonl, and a line checked and read again."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from tlf.results import EVAL, PREFIXES, TRAIN, EpochResult, StageSignals
from tlf.tasks.metric import Metric

_LEFT_OUT: Mapping[str, tuple[object, ...]] = {"stopped": (None,), "described": ({},)}
"""Field → values that a line does not say."""


def epoch_line(result: EpochResult) -> dict[str, Any]:
    """A result as a line of metrics.jsonl; metrics are flat: ``eval_loss``, ``eval_top1``."""
    line: dict[str, Any] = {}
    prefixes = {field_name: prefix for prefix, field_name in PREFIXES.items()}
    for name, value in asdict(result).items():
        if name in prefixes:
            line |= {f"{prefixes[name]}{metric}": figure for metric, figure in value.items()}
        elif value not in _LEFT_OUT.get(name, ()):
            line[name] = value
    return line


def epoch_result(line: Mapping[str, Any]) -> EpochResult:
    """The inverse of ``epoch_line``.

    >>> result = EpochResult("head", 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.1, 4, 1.5, 160.0)
    >>> epoch_result(epoch_line(result)) == result
    True
    >>> result.eval_top1
    0.875

    Raises:
        KeyError, TypeError, AttributeError: a value is missing, or is of another kind.
    """
    known = {field.name for field in fields(EpochResult)}  # a newer version may write more
    rest = {name: value for name, value in line.items() if name in known}
    figures = {k: v for k, v in line.items() if k.startswith((EVAL, TRAIN)) and k not in known}
    stages = {stage: StageSignals(**signals) for stage, signals in line["stages"].items()}
    described = {name: Metric(**said) for name, said in line.get("described", {}).items()}
    _check_line(rest, figures, stages)
    _check_described(described)
    metrics = {
        field_name: {k.removeprefix(p): v for k, v in figures.items() if k.startswith(p)}
        for p, field_name in PREFIXES.items()
    }
    return EpochResult(**{**rest, "stages": stages, "described": described, **metrics})


def _check_line(
    line: Mapping[str, Any], metrics: Mapping[str, Any], stages: Mapping[str, StageSignals]
) -> None:
    check_names_and_counts(line, {name: line[name] for name in ("epoch", "updates")})
    if line.get("stopped") is not None:
        _check_text("stopped", line["stopped"])
    for name in ("train_loss", "lr", "seconds", "images_per_second"):
        _check_number(name, line[name])
    for name, figure in metrics.items():
        _check_number(name, figure)
    for stage, signals in stages.items():
        for name, figure in asdict(signals).items():
            _check_number(f"{stage}.{name}", figure)


def _check_described(described: Mapping[str, Metric]) -> None:
    for name, metric in described.items():
        for text in (metric.name, metric.title):
            _check_text(f"described.{name}", text)
        for said in (metric.higher_is_better, metric.is_rate):
            if not isinstance(said, bool):
                raise TypeError(f"described.{name} must be true or false, got {said!r:.40}")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, got {value!r:.40}")


def check_names_and_counts(line: Mapping[str, Any], counts: Mapping[str, Any]) -> None:
    """Check the name of a phase, and whole numbers, as a file has them.

    Raises:
        TypeError: names the first that is something else.
    """
    _check_text("phase", line["phase"])
    for name, count in counts.items():
        if type(count) is not int or not 0 <= count < _LARGEST:
            raise TypeError(f"{name} must be a whole number from 0 on, got {count!r:.40}")


_LARGEST = 2**63
"""Above every whole number in a line. A number of thousands of digits cannot even be shown."""


def _check_number(name: str, value: object) -> None:
    if type(value) is float or (type(value) is int and abs(value) < _LARGEST):
        return
    raise TypeError(f"{name} must be a number, got {value!r:.40}")

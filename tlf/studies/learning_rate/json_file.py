"""The content of lr.json."""

from dataclasses import asdict
from typing import Any

from tlf.metrics.paired import CLAIM_FROM
from tlf.metrics.resampling import LEVEL
from tlf.studies.learning_rate.found import HeadRates, LearningRates, MeasuredRate, RangeTest
from tlf.studies.learning_rate.summary import sentences
from tlf.studies.study_files import difference_json

FORMAT = 1
"""It rises where a reader of the file has to change. Keys may be added without."""


def as_json(found: LearningRates) -> dict[str, Any]:
    """A study as strict JSON has it; the ``README.md`` beside it documents each key."""
    return {
        "format": FORMAT,
        "source": found.source,
        "device": found.device,
        "phases": [
            _heads(one) if isinstance(one, HeadRates) else _test(one) for one in found.phases
        ],
        "notes": list(found.notes),
    }


def _heads(found: HeadRates) -> dict[str, Any]:
    return {
        "phase": found.phase,
        "method": "held-out",
        "metric": found.metric.name,
        "recipe_rate": found.own,
        "suggestion": found.suggestion,
        "best": found.best,
        "lines": list(found.lines),
        "sentences": [*sentences(found)],
        "alike": {"low": found.alike[0], "high": found.alike[1]},
        "images": found.images,
        "epochs": found.epochs,
        "seeds": list(found.seeds),
        "folds": found.folds,
        "at_once": found.at_once,
        "trained_before": list(found.trained_before),
        "left_out": list(found.left_out),
        "seen": found.seen,
        "intervals": {
            "level": LEVEL,
            "level_of_each_difference": found.level,
            "claims_from_folds": CLAIM_FROM,
        },
        "rates": [_rate(one, found.best) for one in found.rates],
    }


def _rate(one: MeasuredRate, best: float) -> dict[str, Any]:
    return {
        "rate": one.rate,
        "accuracy": None if one.accuracy is None else asdict(one.accuracy),
        "accuracy_of_seeds": list(one.of_seeds),
        "loss": one.loss,
        "difference_from_best": difference_json(f"{best:g}", f"{one.rate:g}", one.behind, "folds"),
    }


def _test(found: RangeTest) -> dict[str, Any]:
    valley = found.valley
    return {
        "phase": found.phase,
        "method": "range-test",
        "recipe_rate": found.own,
        "suggestion": found.suggestion,
        "lines": list(found.lines),
        "sentences": [*sentences(found)],
        "valley": None if valley is None else {"low": valley[0], "high": valley[1]},
        "exploded": found.exploded,
        "trained_before": list(found.trained_before),
        "left_out": list(found.left_out),
        "steps": [
            {"rate": rate, "loss": loss, "smoothed": smoothed}
            for rate, loss, smoothed in zip(found.rates, found.losses, found.smoothed, strict=True)
        ],
    }

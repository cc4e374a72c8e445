"""The content of curve.json."""

from dataclasses import asdict
from typing import Any

from tlf.metrics.resampling import LEVEL
from tlf.studies.learning_curve.learning_curve import ClassCurve, Fan, LearningCurve
from tlf.studies.learning_curve.summary import class_sentence, rise

FORMAT = 1
"""It rises where a reader of the file has to change. Keys may be added without."""


def as_json(found: LearningCurve) -> dict[str, Any]:
    """A learning curve as strict JSON has it; the ``README.md`` beside it documents each key."""
    return {
        "format": FORMAT,
        "source": found.source,
        "metric": found.metric.name,
        "metric_of_class": found.of_a_class,
        "backbone": found.backbone,
        "images": found.images,
        "draws": found.draws,
        "seed": found.seed,
        "device": found.device,
        "intervals": {"level": LEVEL, "level_of_each_class": found.level},
        "sizes": [
            {
                "images": one.images,
                "accuracy": asdict(one.accuracy),
                "accuracy_of_draws": list(one.of_draws),
            }
            for one in found.sizes
        ],
        "gain_from": found.gain_from,
        "gain": asdict(found.gain),
        "verdict": rise(found),
        "fan": None if found.fan is None else _fan(found.fan),
        "classes": [_class(one) for one in found.classes],
        "verdict_of_classes": class_sentence(found),
        "notes": list(found.notes),
    }


def _fan(fan: Fan) -> dict[str, Any]:
    past = fan.hindcast
    return {
        "problem": fan.problem or None,
        "fitted_from": fan.fitted_from,
        "exponent": asdict(fan.exponent),
        "forecasts": [asdict(one) for one in fan.forecasts],
        "hindcast": None if past is None else {**asdict(past), "held": past.held},
        "band": [{"images": images, **asdict(spread)} for images, spread in fan.band],
    }


def _class(one: ClassCurve) -> dict[str, Any]:
    return {
        "name": one.name,
        "images": one.images,
        "trained_on": list(one.trained_on),
        "recalls": list(one.recalls),
        "recall": asdict(one.recall),
        "gain": {**asdict(one.gain), "distinguishable": bool(one.gain.better)},
    }

"""The content of probe.json."""

from dataclasses import asdict
from typing import Any

from tlf.metrics.paired import CLAIM_FROM
from tlf.metrics.resampling import LEVEL
from tlf.studies.probe.probed import Probed, ProbedBackbone
from tlf.studies.study_files import difference_json

FORMAT = 1
"""It rises where a reader of the file has to change. Keys may be added without."""


def as_json(probed: Probed) -> dict[str, Any]:
    """A study as strict JSON has it; the ``README.md`` beside it documents each key."""
    return {
        "format": FORMAT,
        "source": probed.source,
        "metric": probed.metric.name,
        "images": probed.images,
        "classes": dict(probed.class_counts),
        "folds": probed.folds,
        "repeats": probed.repeats,
        "seed": probed.seed,
        "device": probed.device,
        "intervals": {
            "level": LEVEL,
            "level_of_each_difference": probed.level,
            "claims_from_splits": CLAIM_FROM,
        },
        "backbones": [_backbone(one) for one in probed.backbones],
        "failed": [asdict(one) for one in probed.failed],
        "notes": list(probed.notes),
    }


def _backbone(one: ProbedBackbone) -> dict[str, Any]:
    return {
        "name": one.name,
        "backbone": dict(one.backbone),
        "accuracy": {probe: asdict(figure) for probe, figure in one.accuracy.items()},
        "features": one.features,
        "parameters": one.parameters,
        "megabytes": one.megabytes,
        "seconds_per_image": one.seconds,
        "difference_from_first": difference_json("the first", one.name, one.behind, "splits"),
        "stages": [
            {"stage": each.stage, "features": each.features, "accuracy": asdict(each.accuracy)}
            for each in one.stages
        ],
    }

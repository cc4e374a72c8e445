import json
from dataclasses import replace

import pytest

from tlf.epoch_lines import epoch_line, epoch_result
from tlf.results import EpochResult, StageSignals
from tlf.tasks.metric import Metric


def result(stages=(), **more):
    metrics = {"loss": 1.0, "top1": 0.5}
    return EpochResult("head", 3, 2.0, metrics, 0.1, 4, 1.5, 160.0, dict(stages), **more)


SIGNALS = {"stem": StageSignals(0.0, 3.0, 0.0), "head": StageSignals(1.0, 2.0, 0.01, 0.1)}
MCC = Metric("mcc", "MCC", higher_is_better=True, is_rate=False)


def test_a_line_of_metrics_is_flat_and_is_read_back():
    line = json.loads(json.dumps(epoch_line(result(stages=SIGNALS))))
    assert line == {
        "phase": "head",
        "epoch": 3,
        "train_loss": 2.0,
        "eval_loss": 1.0,
        "eval_top1": 0.5,
        "lr": 0.1,
        "updates": 4,
        "seconds": 1.5,
        "images_per_second": 160.0,
        "stages": {
            "stem": {"grad_norm": 0.0, "weight_norm": 3.0, "update_ratio": 0.0, "lr": 0.0},
            "head": {"grad_norm": 1.0, "weight_norm": 2.0, "update_ratio": 0.01, "lr": 0.1},
        },
    }
    assert epoch_result(line) == result(stages=SIGNALS)
    trained = replace(result(), train_metrics={"top1": 0.25})
    assert (trained.train_top1, epoch_line(trained)["train_top1"]) == (0.25, 0.25)
    assert epoch_result(epoch_line(trained)) == trained


def test_an_older_line_has_no_rates_of_stages():
    line = epoch_line(result(stages=SIGNALS))
    del line["stages"]["head"]["lr"]
    head = epoch_result(line).stages["head"]
    assert (head.lr, head.frozen) == (0, False)
    assert [one.frozen for one in SIGNALS.values()] == [True, False]
    assert not StageSignals(0.0, 3.0, 0.0, 0.1).frozen  # a gradient may vanish


def test_a_line_says_how_metrics_of_the_recipe_are_read():
    measured = replace(
        result(), metrics={"loss": 1.0, "top1": 0.5, "mcc": 0.25}, described={"mcc": MCC}
    )
    line = json.loads(json.dumps(epoch_line(measured)))
    assert line["eval_mcc"] == 0.25
    assert line["described"]["mcc"] == {
        "name": "mcc", "title": "MCC", "higher_is_better": True, "is_rate": False,
    }  # fmt: skip
    again = epoch_result(line)
    assert again == measured
    assert (again.metric("mcc"), again.metric("top1").title) == (MCC, "top-1")
    for name, wrong in (("title", 3), ("is_rate", 1), ("higher_is_better", None)):
        changed = {"mcc": {**line["described"]["mcc"], name: wrong}}
        with pytest.raises(TypeError, match=r"described\.mcc must be"):
            epoch_result({**line, "described": changed})

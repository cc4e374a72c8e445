"""A row for each stage: what trains of it, and at which rates."""

from tlf.runs.explain import explain
from tlf.runs.story.stages import StageRow, stage_rows


def test_a_row_has_every_rate_once_ascending(recipe):
    classifier = explain(recipe).classifier
    first, second, *_ = classifier.stages["stem"]
    rows = stage_rows(classifier, {first: 0.2, second: 0.1, "head.bias": 0.1})
    assert rows[0].rates == (0.1, 0.2)
    assert rows[1] == StageRow("layer1", rows[1].parameters, 0, ())
    assert rows[-1].trainable == 2


def test_a_stage_that_trains_in_part_is_never_0_or_100_percent():
    assert StageRow("layer4", 1000, 999, (0.1,)).state == "99% trainable"
    assert StageRow("layer4", 1000, 1, (0.1,)).state == "1% trainable"

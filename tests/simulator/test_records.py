"""What others must know to make a record."""

from dataclasses import MISSING, fields

from tlf.simulator.records import StageRecord, StepRecord


def required(record):
    return [f.name for f in fields(record) if f.default is MISSING]


def test_what_a_record_must_say():
    assert required(StepRecord) == [
        "step", "settings", "loss", "correct", "seconds", "stages", "train", "eval",
    ]  # fmt: skip
    assert required(StageRecord) == [
        "trains", "rate", "output", "flow", "gradient", "weights", "update", "moved", "unchanged",
        "statistics",
    ]  # fmt: skip

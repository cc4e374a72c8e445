"""Recorded steps as the page reads them: what repeats stands once, and numbers are short."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from tlf.simulator.messages import record_as_json
from tlf.simulator.records import StageRecord, StepRecord

DIGITS = 6
"""Significant digits of a number."""


def compact(records: Mapping[str, Sequence[StepRecord]], stages: Sequence[str]) -> dict[str, Any]:
    """The records of presets as JSON; ``recorded.js`` reads it.

    Parameters:
        records: id of a preset → the network before its first step, and then each step.
        stages: from the stem to the head.
    """
    columns = [field.name for field in fields(StageRecord)]
    pictures: dict[str, int] = {}
    return {
        "stages": [*stages],
        "columns": columns,
        "records": {
            preset: [_compact(record, stages, columns, pictures) for record in own]
            for preset, own in records.items()
        },
        "pictures": [*pictures],
    }


def _compact(
    record: StepRecord, stages: Sequence[str], columns: Sequence[str], pictures: dict[str, int]
) -> dict[str, Any]:
    """A record without its settings, which are those of the preset. Its stages are rows, and its
    picture is the number of one of ``pictures``.
    """
    content = record_as_json(record)
    del content["settings"]
    content["stages"] = [[content["stages"][stage][name] for name in columns] for stage in stages]
    if record.filters is not None:
        content["filters"] = pictures.setdefault(record.filters, len(pictures))
    short: dict[str, Any] = rounded(content)
    return short


def rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same JSON, each number with ``DIGITS`` significant digits.

    >>> rounded({"loss": 0.123456789, "moved": 12345678, "rate": None})
    {'loss': 0.123457, 'moved': 12345678, 'rate': None}
    """
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value

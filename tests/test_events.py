"""A segment is read back from its fields, also those that another version of tlf has written."""

from dataclasses import asdict

import pytest

from tlf.events import Audit, SegmentStarted, segment_started

SEGMENT = SegmentStarted("head", 2, {"head.bias": 0.1}, "layer4", Audit(5, 2, ("head.bias",)))


def test_a_segment_is_read_back():
    assert segment_started(asdict(SEGMENT)) == SEGMENT


def test_fields_of_a_newer_version_are_left_out_and_those_that_an_older_one_lacks_have_defaults():
    line = {name: value for name, value in asdict(SEGMENT).items() if name != "audit"}
    assert segment_started(line | {"newer": 1}).audit is None


@pytest.mark.parametrize("change", [{"phase": 1}, {"epoch": -1}, {"audit": {"frozen": 5}}])
def test_a_damaged_segment_is_an_error(change):
    with pytest.raises((TypeError, KeyError)):
        segment_started(asdict(SEGMENT) | change)

"""probe.json."""

import json
import re

from places import ROOT
from probed_backbones import PROBED
from tlf.runtime.strict_json import dumps
from tlf.studies.probe.json_file import as_json


def test_it_says_what_was_found():
    content = json.loads(dumps(as_json(PROBED)))
    assert content["format"] == 1
    best, near, worse = content["backbones"]
    assert best["accuracy"]["logistic"] == {"value": 0.968, "low": 0.968 - 0.05, "high": 1.0}
    assert best["difference_from_first"] is None
    assert [stage["stage"] for stage in best["stages"]] == ["stem", "layer1"]
    assert near["difference_from_first"]["distinguishable"] is False
    assert near["difference_from_first"]["images_needed"] == 1234
    assert worse["difference_from_first"]["verdict"].startswith(
        "the first is better by 26.4 points"
    )
    assert content["failed"] == [{"name": "timm/gone", "why": "no network"}]


def test_every_key_is_documented():
    document = (ROOT / "tlf/studies/probe/README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \|", document, re.M)
    content = as_json(PROBED)
    keys = [*content, *content["backbones"][1], *content["backbones"][1]["difference_from_first"]]
    assert [key for key in dict.fromkeys(keys) if key not in told] == []

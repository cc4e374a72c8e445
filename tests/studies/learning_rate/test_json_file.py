"""lr.json."""

import json
import re

from places import ROOT
from rates_found import FOUND
from tlf.runtime.strict_json import dumps
from tlf.studies.learning_rate.json_file import as_json


def test_it_says_what_was_found():
    content = json.loads(dumps(as_json(FOUND)))
    head, test, flat = content["phases"]
    assert (content["format"], content["source"]) == (1, "my/recipe.toml")
    assert (head["method"], head["recipe_rate"], head["suggestion"]) == ("held-out", 0.001, 0.01)
    assert head["alike"] == {"low": 0.01, "high": 0.1}
    worse, near, best, broken = head["rates"]
    assert worse["difference_from_best"]["verdict"].startswith("0.1 is better by 26.4 points")
    assert near["difference_from_best"]["distinguishable"] is False
    assert best["difference_from_best"] is None
    assert (broken["accuracy"], broken["loss"]) == (None, None)
    assert (test["method"], test["valley"]["high"], test["exploded"]) == ("range-test", 0.01, 1.0)
    assert test["steps"][0] == {"rate": 1e-6, "loss": 1.0, "smoothed": 1.0}
    assert (flat["valley"], flat["suggestion"], flat["lines"]) == (None, None, [])
    assert content["notes"] == ["class 'flies' is small"]


def test_every_key_is_documented():
    document = (ROOT / "tlf/studies/learning_rate/README.md").read_text(encoding="utf-8")
    section = document.partition("## `lr.json`")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \|", section, re.M)
    content = as_json(FOUND)
    head, test, _ = content["phases"]
    keys = [*content, *head, *head["rates"][0], *test]
    assert [key for key in dict.fromkeys(keys) if key not in told] == []

"""evaluation.json of images with any number of labels."""

import json

from label_sets import LABEL_SETS, drawn_sets
from tlf.metrics.multi_label.evaluation import evaluation
from tlf.metrics.multi_label.json_file import as_json
from tlf.runtime.strict_json import dumps


def test_it_is_strict_json_and_says_what_it_is():
    found = evaluation(drawn_sets(30, 3), resamples=10)
    content = json.loads(dumps(as_json(found)))
    assert (content["format"], content["task"]) == (2, "multi-label")
    assert content["headline"]["map"]["value"] == found.headline["map"].value
    assert content["per_class"][0]["threshold"] == 0.3
    assert content["per_class"][0]["precision_recall"]["x"][-1] == 1
    for first, second, images in content["co_occurrence"]:
        assert first < second
        assert images == found.co_occurrence[first, second]


def test_what_is_not_defined_is_null():
    content = json.loads(dumps(as_json(evaluation(LABEL_SETS["no label"](), resamples=10))))
    assert content["headline"]["map"] == {"value": None, "low": None, "high": None}
    assert content["per_class"][0]["precision_recall"] is None

"""The content of evaluation.json."""

import json
import re

import numpy as np
import pytest

from places import ROOT
from predicted_sets import SETS, drawn
from tlf.metrics.evaluation import evaluation
from tlf.metrics.json_file import as_json
from tlf.runtime.strict_json import dumps


@pytest.mark.parametrize("name", SETS)
def test_it_is_strict_json_and_holds_every_figure(name):
    found = evaluation(SETS[name](), resamples=20)
    content = json.loads(dumps(as_json(found)))
    assert content["format"] == 1
    assert (content["images"], content["classes"]) == (found.images, [*found.classes])
    for metric, figure in found.headline.items():
        assert content["headline"][metric] == vars(figure)
    for one, written in zip(found.per_class, content["per_class"], strict=True):
        assert (written["class"], written["support"]) == (one.name, one.support)
        assert written["recall"] == vars(one.recall)
    matrix = np.zeros_like(found.confusion)
    for label, prediction, images in content["confusion"]:
        matrix[label, prediction] = images
    assert np.array_equal(matrix, found.confusion)
    assert content["calibration"]["counts"] == [*found.calibration.counts]
    assert (content["roc"] is None) == (found.roc is None)


def test_every_key_is_documented():
    content = as_json(evaluation(drawn(20, 2), resamples=10))
    text = (ROOT / "tlf" / "metrics" / "README.md").read_text(encoding="utf-8")
    section = text.split("## evaluation.json")[1].split("\n## ")[0]
    documented = set(re.findall(r"`([a-z_0-9]+)`", section))
    keys = {*content, *content["intervals"], *content["majority"], *content["per_class"][0]}
    keys |= {*content["calibration"], *content["roc"], *content["headline"]}
    assert keys - documented == set()

"""How good a model is, where images have any number of labels."""

from dataclasses import replace
from pathlib import Path

import pytest

from label_sets import LABEL_SETS, drawn_sets
from tlf.inference.calibrated import Calibrated
from tlf.reports.multi_label.verdict import caveats, panel
from tlf.reports.report import RunRecord, report_of
from tlf.results import EpochResult

EPOCH = EpochResult("head", 2, 0.5, {"loss": 0.25, "map": 0.875}, 0.01, 8, 1.5, 160.0)


def made(found):
    return report_of("mine", found, found.evaluation())


def test_it_says_what_is_left_out_and_why():
    html = str(panel(made(drawn_sets(40, 3))).html)
    assert "no confusion matrix" in html
    assert "Mean average precision" in html
    assert "Hamming loss" in html


def test_looks_at_the_test_split_are_said():
    report = replace(made(drawn_sets(40, 3)), cautions=("Looked at <twice>",))
    assert '<p class="caveats"><bdi>Looked at &lt;twice&gt;</bdi></p>' in str(panel(report).html)


def test_macro_f1_is_said_to_be_of_the_classes_that_have_one():
    assert "the mean over 0 of 2 classes" in panel(made(LABEL_SETS["no label"]())).html


def test_looks_at_the_test_split_are_told():
    looked = replace(made(drawn_sets(40, 3)), cautions=("looked at 2 times, a & b",))
    assert "looked at 2 times, a &amp; b" in panel(looked).html


def test_caveats():
    told = [*caveats(made(LABEL_SETS["constant"]()))]
    assert told[0] == "the model cannot be told from one that knows nothing"
    assert "20 images are few" in told[1]
    assert [*caveats(made(LABEL_SETS["no label"]()))][-1] == "2 of 2 classes have no image here"


@pytest.mark.parametrize(
    ("epochs", "source", "said"),
    [
        (2, "eval", "chose the best epoch and the thresholds of the classes, so"),
        (1, "eval", "chose the thresholds of the classes, so"),
        (2, "out-of-fold", "chose the best epoch, so"),
        (1, "out-of-fold", ""),
    ],
)
def test_what_these_images_have_chosen_is_told(epochs, source, said):
    run = RunRecord((EPOCH,) * epochs, (), {}, "", EPOCH, Path("runs/mine"))
    calibrated = Calibrated(1.0, 0.9, None, source, 400, (0.5, 0.4))
    found = replace(made(drawn_sets(400, 2)), run=run, calibrated=calibrated)
    chosen = [one for one in caveats(found) if "chose" in one]
    assert len(chosen) == bool(said)
    assert said in "".join(chosen)

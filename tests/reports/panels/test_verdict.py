from dataclasses import replace
from pathlib import Path

from reported import predicted_of, report_of
from tlf.checks.findings import Duplicates, Findings, ImageRef
from tlf.data.inspection.readable import IN_BOTH
from tlf.reports.panels.verdict import caveats, leaks, panel
from tlf.reports.report import RunRecord
from tlf.results import EpochResult

EPOCH = EpochResult("head", 2, 0.5, {"loss": 0.25, "top1": 0.875}, 0.01, 8, 1.5, 160.0)
GOOD = predicted_of([0] * 200 + [1] * 200, [0] * 195 + [1] * 205, ("ant", "bee"))


def run_of(notes=(), epochs=2):
    provenance = {"notes": [*notes]}
    return RunRecord((EPOCH,) * epochs, (), provenance, "", EPOCH, Path("runs/mine"))


def test_the_figures_stand_with_their_intervals_and_beside_the_baseline():
    html = str(panel(report_of(GOOD, run=run_of())).html)
    for text in ("98.8\xa0%", "395 of 400 images are right", "50.0\xa0%", "2 epochs took 3 s"):
        assert text in html
    assert '<dd class="large">3</dd>' in html  # epochs count from 1 on a page
    assert "Take care" not in html


def test_macro_f1_is_said_to_be_of_the_classes_that_have_one():
    assert "the mean over 2 classes" in panel(report_of(GOOD)).html
    of_three = predicted_of([0, 1], [0, 0], ("ant", "bee", "fly"))
    assert "the mean over 2 of 3 classes" in panel(report_of(of_three)).html


def test_no_caveat_where_none_is_due():
    assert [*caveats(report_of(GOOD, run=run_of(epochs=1)))] == []
    assert [*caveats(report_of(GOOD))] == []


def test_the_best_epoch_was_chosen_on_these_images():
    (one,) = caveats(report_of(GOOD, run=run_of()))
    assert "chose the best epoch" in one


def test_few_images_and_a_model_no_better_than_the_majority():
    poor = predicted_of([0, 0, 0, 1], [0, 1, 0, 0], ("ant", "bee", "fly"))
    said = [*caveats(report_of(poor))]
    assert said == [
        "the model cannot be told from one that always answers “ant”",
        "4 images are few, so the intervals are wide",
        "1 of 3 classes has no image here",
        "2 of 3 classes have fewer than 10 images",
    ]


def test_a_page_opens_with_images_that_both_splits_have():
    note = f"2 of the 4 eval images are {IN_BOTH}, byte for byte: look better\n  a = b"
    assert leaks(report_of(GOOD, run=run_of([note]))) == f"{note.partition(chr(10))[0]}."
    assert leaks(report_of(GOOD, run=run_of(["another note"]))) is None
    pair = tuple(ImageRef(split, 3, "a.jpg", "ant") for split in ("train", "eval"))
    found = Findings({"eval": 400}, {}, duplicates=(Duplicates(pair, (0, 0), similarity=1.0),))
    report = replace(report_of(GOOD), findings=found)
    assert leaks(report).startswith(f"1 of the 400 eval images is {IN_BOTH} (1 byte for byte)")
    assert "Take care" in panel(report).html

"""The folder of an evaluation appears whole, and replaces no other."""

import json
from dataclasses import replace

import pytest

from reported import jpeg, predicted_of
from tlf.errors import RunError
from tlf.evaluation.evaluate import Evaluated
from tlf.metrics.evaluation import evaluation
from tlf.reports.evaluation_page import write_evaluation

PREDICTED = predicted_of([0, 1], [0, 0], ("ant", "bee"))
EVALUATED = Evaluated(
    "runs/a", "photos\x1b", "photos", PREDICTED, evaluation(PREDICTED, resamples=20),
    unknown={"<b>": 2}, unreadable=(("e", "empty"),), read=jpeg,
)  # fmt: skip


def test_the_page_says_what_is_evaluated_and_what_is_left_out(tmp_path):
    folder = write_evaluation(EVALUATED, tmp_path / "x")
    assert {path.name for path in folder.iterdir()} == {
        "evaluation.json", "predictions.csv", "report.html",
    }  # fmt: skip
    html = (folder / "report.html").read_text()
    assert r"<title>runs/a on photos\x1b" in html
    assert "Left out: 2 images of classes that the model does not know: &#39;&lt;b&gt;&#39;" in html
    assert "Left out: 1 image that cannot be read." in html
    assert "data:image/jpeg" in html


@pytest.mark.parametrize("split", [None, "train", "eval", "test"])
def test_labels_are_ticked_in_the_split_that_the_images_are(tmp_path, split):
    folder = write_evaluation(replace(EVALUATED, split=split), tmp_path / "x")
    html = (folder / "report.html").read_text()
    assert f'"split":{json.dumps(split)}' in html.replace('": ', '":')
    assert ("Download fixes.csv" in html) == (split is not None)


def test_a_folder_that_is_there_stays(tmp_path):
    found = replace(EVALUATED, model=str(tmp_path / "a.onnx"))
    names = [write_evaluation(found).relative_to(tmp_path).as_posix() for _ in range(3)]
    assert names == [f"a.onnx-evaluations/photos{end}" for end in ("", "-2", "-3")]


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write the folder .*: Not a directory; write --out"):
        write_evaluation(EVALUATED, tmp_path / "file" / "x")

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tlf.reports.evaluation_page.write_report_page", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_evaluation(EVALUATED, tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

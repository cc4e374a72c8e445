"""The page of an evaluation."""

from reported import jpeg, predicted_of
from tlf.evaluation.evaluate import Evaluated
from tlf.metrics.evaluation import evaluation
from tlf.reports.evaluation_page import write_evaluation_page


def test_the_page_says_what_is_evaluated_and_what_is_left_out(tmp_path):
    predicted = predicted_of([0, 1], [0, 0], ("ant", "bee"))
    evaluated = Evaluated(
        "runs/a", "photos\x1b", "photos", predicted, evaluation(predicted, resamples=20),
        unknown={"<b>": 2}, unreadable=(("e", "empty"),), read=jpeg,
    )  # fmt: skip
    write_evaluation_page(evaluated, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    assert r"<title>runs/a on photos\x1b" in html
    assert "Left out: 2 images of classes that the model does not know: &#39;&lt;b&gt;&#39;" in html
    assert "Left out: 1 image that cannot be read." in html
    assert "data:image/jpeg" in html

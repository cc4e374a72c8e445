"""The figures of decisions in a notebook."""

from label_sets import drawn_sets
from tlf.metrics.multi_label.evaluation import evaluation


def test_a_notebook_shows_the_headline():
    found = evaluation(drawn_sets(20, 2), resamples=10)
    html = found._repr_html_()
    assert "map" in html
    assert "20 images" in html
    assert [*found.lines()][1].startswith("mAP")
    assert found.as_json()["images"] == 20

"""Figures of decisions as text."""

from dataclasses import replace

from label_sets import LABEL_SETS, drawn_sets
from tlf.metrics.multi_label.evaluation import evaluation
from tlf.metrics.multi_label.text import LONG_TITLES, lines


def test_every_figure_and_class_has_a_line_that_fits_a_terminal():
    found = evaluation(drawn_sets(40, 3), resamples=10)
    text = [*lines(found)]
    assert text[1].startswith("mAP")
    assert len(text) == 1 + len(found.headline) + 1 + 1 + 1 + 2 + 3
    assert found.headline.keys() == LONG_TITLES.keys()
    assert max(map(len, text)) <= 80


def test_where_classes_have_thresholds_it_is_said_that_epochs_have_not():
    found = evaluation(drawn_sets(40, 3), resamples=10)
    told = "each class is predicted from its own threshold on; in epochs of a run, from 0.5"
    assert told in lines(found)
    half = tuple(replace(one, threshold=0.5) for one in found.per_class)
    assert told not in lines(replace(found, per_class=half))


def test_of_many_classes_the_worst_are_listed_and_those_without_images_counted():
    text = [*lines(evaluation(drawn_sets(30, 12), resamples=10))]
    assert any(line.startswith("worst of") for line in text)
    text = [*lines(evaluation(LABEL_SETS["no label"](), resamples=10))]
    assert text[-1] == "2 of the model's classes have no image."
    assert "6 images without a label" in text

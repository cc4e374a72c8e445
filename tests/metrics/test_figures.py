"""What figures are, where nobody has computed them."""

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from predicted_sets import drawn
from tlf.metrics.evaluation import evaluation
from tlf.metrics.figures import Evaluation, Figure
from tlf.metrics.resampling import RESAMPLES


def test_a_figure_that_is_not_defined_has_no_interval():
    assert Figure(None) == Figure(None, None, None)
    with pytest.raises(FrozenInstanceError):
        Figure(0.5).value = 1


def test_an_evaluation_says_how_often_images_were_drawn():
    defaults = {field.name: field.default for field in fields(Evaluation)}
    assert (defaults["resamples"], defaults["seed"]) == (RESAMPLES, 0)


def test_most_confused_pairs_have_most_images():
    found = evaluation(drawn(900, 6, skill=0.5), resamples=2)
    wrong = found.confusion - np.diag(np.diag(found.confusion))
    pairs = found.most_confused(4)
    assert [images for *_, images in pairs] == sorted(wrong.ravel())[::-1][:4]
    assert all(wrong[label, prediction] == images for label, prediction, images in pairs)

"""What figures are, where nobody has computed them."""

from dataclasses import FrozenInstanceError, fields

import pytest

from tlf.metrics.figures import Evaluation, Figure
from tlf.metrics.resampling import RESAMPLES


def test_a_figure_that_is_not_defined_has_no_interval():
    assert Figure(None) == Figure(None, None, None)
    with pytest.raises(FrozenInstanceError):
        Figure(0.5).value = 1


def test_an_evaluation_says_how_often_images_were_drawn():
    defaults = {field.name: field.default for field in fields(Evaluation)}
    assert (defaults["resamples"], defaults["seed"]) == (RESAMPLES, 0)

"""Views are crops and mirrored crops at fixed places; the first is what the model sees anyway."""

import pytest
import torch

from tlf.data.transforms import center_crop
from tlf.errors import TlfError
from tlf.evaluation.views import MOST, ONE, Views, read_views

WIDE = torch.arange(3 * 36 * 51, dtype=torch.int32).reshape(3, 36, 51)


def test_the_first_view_is_the_centre_and_the_second_its_mirror_image():
    centre = center_crop(WIDE, 32)
    assert torch.equal(ONE.cut(WIDE, 32)[0], centre)
    first, second = Views(2).cut(WIDE, 32)
    assert torch.equal(first, centre)
    assert torch.equal(second, centre.flip(-1))


def test_further_views_are_the_corners_and_their_mirror_images():
    cut = Views(MOST).cut(WIDE, 32)
    assert cut.shape == (MOST, 3, 32, 32)
    corners = [WIDE[:, :32, :32], WIDE[:, -32:, -32:], WIDE[:, :32, -32:], WIDE[:, -32:, :32]]
    for view, mirrored, corner in zip(cut[2:6], cut[6:], corners, strict=True):
        assert torch.equal(view, corner)
        assert torch.equal(mirrored, corner.flip(-1))
    assert torch.equal(Views(4).cut(WIDE, 32), cut[:4])


def test_an_image_that_is_smaller_than_a_view_is_padded_as_for_the_model():
    narrow = torch.ones(3, 36, 20, dtype=torch.uint8)
    for view in Views(6).cut(narrow, 32):
        assert view.shape == (3, 32, 32)
        assert view.sum() == 3 * 32 * 20
    assert torch.equal(Views(3).cut(narrow, 32)[0], center_crop(narrow, 32))


def test_what_tta_may_be():
    assert read_views(None) == ONE
    assert read_views("flip") == read_views("views=2") == Views(2)
    assert read_views("views=10") == Views(10)
    for text in ("views=1", "views=11", "views=", "views=x", "views=-2", "", "mirror"):
        with pytest.raises(
            TlfError, match=r"^tta must be flip, or views=K with 2 to 10 views, got"
        ):
            read_views(text)

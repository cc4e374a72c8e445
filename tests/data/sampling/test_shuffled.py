"""An epoch draws every image once; order and seeds: ``tests/data/test_loading.py``."""

from tlf.data.loading import order
from tlf.data.sampling.shuffled import shuffled_draws


def test_every_image_is_drawn_once_in_the_order_of_the_epoch():
    assert [*shuffled_draws(3, 5, 40)] == [(5, index) for index in order(3, 5, 40)]
    without = {7, 9, 30}
    kept = [(5, index) for index in order(3, 5, 40) if index not in without]
    assert [*shuffled_draws(3, 5, 40, without)] == kept

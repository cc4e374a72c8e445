import numpy as np

from reported import predicted_of
from tlf.metrics.image_scores import own_probability
from tlf.reports.ranking import featured, listed

CLASSES = ("ant", "bee", "fly")


def test_every_wrong_image_is_listed_and_some_right_ones_of_each_class():
    labels = [0] * 10 + [1] * 3 + [2] * 2
    guesses = [0] * 10 + [1] * 2 + [2] * 3
    predicted = predicted_of(labels, guesses, CLASSES)
    images = listed(predicted, right_a_class=4).tolist()
    # Of the ten right ones of the first class, the two least sure and the two surest.
    assert sorted(images) == [0, 1, 8, 9, 10, 11, 12, 13, 14]
    assert images[0] == 12  # the only wrong one has the highest loss
    losses = -np.log(own_probability(predicted)[images])
    assert (np.diff(losses) <= 0).all()


def test_thumbnails_go_first_to_what_each_order_begins_with():
    labels, guesses = [0] * 8, [0] * 5 + [1] * 3
    predicted = predicted_of(labels, guesses, CLASSES)
    order = featured(predicted, listed(predicted))
    assert order[:4] == [7, 6, 0, 4]  # the two worst, the least sure, the surest right one
    assert sorted(order) == [*range(8)]


def test_one_image_is_listed():
    predicted = predicted_of([0], [0], CLASSES)
    assert featured(predicted, listed(predicted)) == [0]

"""What ``tlf evaluate`` prints."""

import numpy as np

from tlf.evaluation.evaluate import Evaluated
from tlf.evaluation.summary import left_out, result_lines, unknown_text
from tlf.metrics.comparison import compare
from tlf.metrics.evaluation import evaluation
from tlf.metrics.predicted import Predicted


def evaluated(probabilities, **more):
    predicted = Predicted(
        ("a", "b", "c", "d"), np.array([0, 1, 1, 0]), np.array(probabilities), ("ant", "bee")
    )
    return Evaluated("runs/a", "photos", "photos", predicted, evaluation(predicted), **more)


ONE = evaluated(
    [[0.7, 0.3], [0.2, 0.8], [0.6, 0.4], [0.9, 0.1]],
    unknown={"fly": 2},
    unreadable=(("e", "empty"),),
)
OTHER = evaluated([[0.3, 0.7], [0.2, 0.8], [0.1, 0.9], [0.4, 0.6]])


def test_what_is_left_out_is_said_before_the_figures():
    lines = [*result_lines(ONE)]
    assert lines[:4] == [
        "model     runs/a",
        "images    4 of photos",
        "left out  2 images of classes that the model does not know: 'fly' (2)",
        "left out  1 image that cannot be read",
    ]
    assert len(lines) > 5
    assert [*left_out(OTHER)] == []


def test_images_that_belong_together_are_a_note():
    text = "\n".join(result_lines(evaluated(ONE.predicted.probabilities, groups_unknown=True)))
    assert "\ncaution   It is not known which of these images belong together (data.group)" in text
    assert "data.group" not in "\n".join(result_lines(ONE))


def test_what_fixes_have_changed_is_a_note():
    text = "\n".join(result_lines(evaluated(ONE.predicted.probabilities, notes=("f.csv does",))))
    assert "\nnote      f.csv does.\n" in text


def test_two_models_are_compared_below_their_figures():
    comparison = compare(ONE.predicted, OTHER.predicted)
    both = evaluated(ONE.predicted.probabilities, other=OTHER, comparison=comparison)
    text = "\n".join(result_lines(both))
    assert text.count("model     runs/a") == 2
    assert "\nthe two models, image by image\n" in text
    assert "-25.00%" in text
    assert "\nverdict           not distinguishable (McNemar's p = 1); about" in text


def test_many_unknown_classes_are_counted():
    text = unknown_text({f"class{n}": 1000 for n in range(12)})
    assert text.startswith(
        "12,000 images of classes that the model does not know: 'class0' (1,000)"
    )
    assert text.endswith(" and 2 more classes")

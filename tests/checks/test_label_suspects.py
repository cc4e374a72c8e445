"""Labels that look wrong."""

import numpy as np

from planted import clusters
from tlf.checks.label_suspects import Suspect, find_suspects
from tlf.checks.probe import out_of_fold


def test_most_planted_wrong_labels_are_found_and_no_others():
    rows, truth = clusters(300, 3)
    labels = truth.copy()
    wrong = np.arange(0, 300, 20)
    labels[wrong] = (truth[wrong] + 1) % 3
    found = find_suspects(out_of_fold(rows, labels, np.arange(300), 0), labels)
    assert {suspect.image for suspect in found} <= set(wrong)
    assert len(found) >= 10
    assert all(suspect.proposed == truth[suspect.image] for suspect in found)
    own = [suspect.own_probability for suspect in found]
    assert own == sorted(own)


def test_of_two_classes_it_is_the_rule_of_confident_learning():
    own = np.array([0.9, 0.8, 0.4, 0.14, 0.16, 0.8, 0.9, 0.85])
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    probabilities = np.where(labels[:, None] == [0, 1], own[:, None], 1 - own[:, None])
    # The mean of class 1 for its own label is 0.85: 0.86 reaches it, 0.84 does not.
    found = find_suspects(probabilities, labels)
    assert [(suspect.image, suspect.proposed) for suspect in found] == [(3, 1)]
    np.testing.assert_allclose(
        [found[0].own_probability, found[0].proposed_probability], [0.14, 0.86]
    )


def test_a_class_that_looks_alike_needs_more_doubt():
    """Dogs are 0.2 cat on average: a cat that is 0.3 cat and 0.6 dog is an ordinary mistake. Birds
    are 0.02 cat: a cat that is 0.01 cat is none.
    """
    dog, bird, cat = [0.2, 0.75, 0.05], [0.02, 0.03, 0.95], [0.7, 0.25, 0.05]
    doubtful = [[0.3, 0.6, 0.1], [0.15, 0.8, 0.05], [0.03, 0.02, 0.95], [0.01, 0.02, 0.97]]
    probabilities = np.array([cat] * 5 + [dog] * 5 + [bird] * 5 + doubtful)
    labels = np.array([0] * 5 + [1] * 5 + [2] * 5 + [0] * 4)
    found = find_suspects(probabilities, labels)
    assert found == (Suspect(18, 2, 0.01, 0.97), Suspect(16, 1, 0.15, 0.8))


def test_equal_probabilities_are_no_suspects():
    assert find_suspects(np.full((6, 3), 1 / 3), np.arange(6) % 3) == ()

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from tlf.tasks.multi_label import MultiLabel

TASK = MultiLabel()


def test_labels_are_a_row_of_zeros_and_ones_for_each_image():
    labels = TASK.labels([(0, 2), (), (1,)], 3)
    assert labels.dtype == torch.uint8
    assert labels.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    targets = TASK.targets(labels, 3)
    assert targets.dtype == torch.float32
    assert targets.tolist() == labels.tolist()
    assert TASK.labels([], 3).shape == (0, 3)


def test_each_class_is_predicted_from_its_threshold_on():
    probabilities = TASK.probabilities(torch.tensor([[0.0, -1.0], [2.0, -0.1]]))
    assert TASK.predicted(probabilities).tolist() == [[True, False], [True, False]]
    lower = TASK.predicted(probabilities, torch.tensor([0.6, 0.4]))
    assert lower.tolist() == [[False, False], [True, True]]


def test_a_threshold_is_the_same_number_in_any_precision():
    probabilities = torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    found = torch.tensor(TASK.thresholds(probabilities, probabilities > 0.3), dtype=torch.float64)
    assert torch.equal(found, found.float().double())


def test_an_image_is_right_if_all_its_classes_are():
    logits, labels = torch.tensor([[1.0, -1.0], [1.0, 1.0]]), TASK.labels([(0,), (0,)], 2)
    assert TASK.correct(logits, labels).tolist() == [True, False]
    assert TASK.evaluate(logits.sigmoid(), labels)["exact_match"] == 0.5


def test_class_counts_know_the_number_of_images():
    counts = TASK.class_counts([(0, 1), (0,), ()], 3)
    assert (counts, counts.images) == ([2, 1, 0], 3)


def test_an_image_is_in_each_of_its_classes_or_in_the_group_of_none():
    labels = TASK.labels([(0, 2), (), (2,)], 3)
    assert TASK.by_class(labels, 3) == [[0], [], [0, 2], [1]]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_metrics_equal_scikit_learns():
    from sklearn.metrics import average_precision_score, f1_score

    generator = np.random.default_rng(0)
    scores = generator.random((200, 7)).round(1).astype(np.float32)  # with ties
    labels = generator.random((200, 7)) < [0.5, 0.3, 0.1, 0.05, 0.02, 0.9, 0]
    scores[:, 6] = 0.25  # neither there nor predicted
    figures = TASK.evaluate(torch.from_numpy(scores), torch.from_numpy(labels).byte())
    predicted = scores >= 0.5
    expected = {
        "map": average_precision_score(labels[:, :6], scores[:, :6], average="macro"),
        "macro_f1": f1_score(labels, predicted, average="macro", zero_division=np.nan),
        "micro_f1": f1_score(labels, predicted, average="micro"),
        "exact_match": (labels == predicted).all(1).mean(),
    }
    assert figures == pytest.approx(expected, abs=1e-12)
    assert figures.keys() == TASK.plausible(0.3).keys()


def test_figures_are_zero_where_no_image_has_a_class():
    nothing = TASK.evaluate(torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.uint8))
    assert nothing == {"map": 0, "macro_f1": 0, "micro_f1": 0, "exact_match": 1}


def test_names_and_labels_are_opposites():
    classes = ("cat", "cow", "dog")
    for label in ((), (1,), (0, 2), (0, 1, 2)):
        assert TASK.label(TASK.names(label, classes), classes) == label
    with pytest.raises(ValueError, match="owl"):
        TASK.label("cat; owl", classes)
    assert (TASK.named("cat; owl"), TASK.named("")) == (("cat", "owl"), ())


@pytest.mark.parametrize("wrong", [0, [0], (0, 0), (2, 1), (3,), (-1,), (True,), (0.0,), "a"])
def test_labels_are_tuples_of_ascending_indices(wrong):
    TASK.check_labels([(0, 2), (), (1,)], 3)
    with pytest.raises(ValueError, match=r"labels must be tuples of .* from 0 to 2, got "):
        TASK.check_labels([(0,), wrong], 3)
    with pytest.raises(ValueError, match="classes must be 2 or more, got 1"):
        TASK.check_labels([(0,)], 1)


def test_one_class_for_each_image_is_told_in_the_words_of_a_recipe():
    with pytest.raises(ValueError, match=r"got one class for each image; .* data.label_separator"):
        TASK.check_labels([0, 2, 1], 3)


def test_a_loss_gives_one_number_for_each_image():
    def each(logits, labels):
        losses = binary_cross_entropy_with_logits(logits, labels.float(), reduction="none")
        return losses.mean(1)

    TASK.check_loss(each, 5)
    with pytest.raises(ValueError, match="one number for each image"):
        TASK.check_loss(lambda logits, labels: each(logits, labels).mean(), 5)
    TASK.check_logits(torch.zeros(2, 3), 2, 3)
    with pytest.raises(ValueError, match="one for each image and class"):
        TASK.check_logits(torch.zeros(2, 4), 2, 3)

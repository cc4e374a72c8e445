import pytest
import torch
from torch.nn import functional

from tlf.tasks.single_label import SingleLabel

TASK = SingleLabel()


def test_probabilities_and_predictions_are_those_of_softmax():
    logits = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    exponentials = logits.double().exp()
    expected = exponentials / exponentials.sum(1, keepdim=True)
    probabilities = TASK.probabilities(logits)
    torch.testing.assert_close(probabilities.double(), expected, atol=1e-6, rtol=0)
    assert TASK.predicted(probabilities).tolist() == [
        row.index(max(row)) for row in logits.tolist()
    ]


def test_top1_is_the_fraction_of_right_images():
    probabilities = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8]])
    assert TASK.evaluate(probabilities, torch.tensor([0, 1, 1, 1])) == {"top1": 0.75}


def test_targets_are_certain_of_each_label():
    targets = TASK.targets(TASK.labels([2, 0], 3), 3)
    assert targets.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_every_image_is_listed_under_its_class():
    assert TASK.by_class(torch.tensor([2, 0, 2, 3, 0]), 5) == [[1, 4], [], [0, 2], [3], []]


def test_a_label_is_called_as_its_class():
    assert TASK.names(1, ("ants", "bees")) == "bees"
    assert TASK.named("ants; bees") == ("ants; bees",)


def test_figures_of_a_loss_that_nobody_measured_are_metrics_of_the_task():
    for loss in (0.0, 0.5, 10.0):
        figures = TASK.plausible(loss)
        assert figures.keys() == {metric.name for metric in TASK.metrics}
        assert 0 <= figures["top1"] <= 1


def test_labels_are_indices_of_classes():
    with pytest.raises(ValueError, match="classes must be 2 or more, got 1"):
        TASK.check_labels([0, 0], 1)
    TASK.check_labels([0, 2, torch.tensor(1).item()], 3)
    for wrong, got in (([0, 3], "3"), ([-1], "-1"), (["a", 0], "'a'"), ([True], "True"),
                       ([0, 1.0], "0|1.0")):  # fmt: skip
        with pytest.raises(ValueError, match=rf"labels must be .* 0 to 2, .*, got ({got})$"):
            TASK.check_labels(wrong, 3)


def test_logits_and_losses_are_checked():
    with pytest.raises(ValueError, match=r"logits must be \(2, 3\), one for each"):
        TASK.check_logits(torch.zeros(2, 4), 2, 3)
    with pytest.raises(ValueError, match=r"one number for each image, .* leave out the mean"):
        TASK.check_loss(functional.cross_entropy, 5)

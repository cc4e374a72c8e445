import pytest
import torch
from torch.nn import functional

from tlf.tasks.checked import check_logits, check_loss

LABELS = torch.tensor([0, 4, 0])


@pytest.mark.parametrize("shape", [(2, 4), (2,), (2, 3, 1), (3, 3)])
def test_logits_of_another_shape_are_refused(shape):
    check_logits(torch.zeros(2, 3), 2, 3)
    with pytest.raises(ValueError, match=r"logits must be \(2, 3\), one for each .*, got \(\d"):
        check_logits(torch.zeros(shape), 2, 3)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (None, "logits must be a torch.Tensor, got NoneType"),
        (torch.zeros(2, 3, dtype=torch.long), "a floating-point type, got torch.int64"),
        (torch.tensor([[0, 1, float("nan")]] * 2), "logits must be finite, got NaN or infinity"),
    ],
)
def test_logits_are_finite_numbers(logits, message):
    with pytest.raises(ValueError, match=message):
        check_logits(logits, 2, 3)


def test_a_loss_of_another_shape_is_refused():
    def each(logits, labels):
        return functional.cross_entropy(logits, labels, reduction="none")

    check_loss(each, LABELS, 5)
    with pytest.raises(ValueError, match=r"one number for each image, .* leave out the mean"):
        check_loss(functional.cross_entropy, LABELS, 5)
    with pytest.raises(ValueError, match="build must return a function, got NoneType"):
        check_loss(None, LABELS, 5)
    with pytest.raises(ValueError, match=r"losses must be a torch\.Tensor, got float"):
        check_loss(lambda logits, labels: 1.0, LABELS, 5)
    with pytest.raises(ValueError, match="losses must have a gradient, got none; leave out detach"):
        check_loss(lambda logits, labels: each(logits, labels).detach(), LABELS, 5)
    with pytest.raises(ValueError, match="losses must be finite"):
        check_loss(lambda logits, labels: each(logits, labels) / 0, LABELS, 5)

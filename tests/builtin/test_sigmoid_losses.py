import pickle

import pytest
import torch
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from tlf.builtin.sigmoid_losses import (
    MOST_WEIGHT,
    Asymmetric,
    BinaryCrossEntropy,
    SigmoidFocal,
    positive_weights,
    tlf_losses,
)
from tlf.tasks import TASKS
from tlf.tasks.class_counts import ClassCounts

COUNTS = ClassCounts([4, 1, 6], images=8)
LABELS = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 0, 1]], dtype=torch.uint8)


@pytest.fixture
def logits():
    return 3 * torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_the_loss_of_an_image_is_the_sum_of_torchs_over_the_classes(logits):
    expected = functional.binary_cross_entropy_with_logits(
        logits, LABELS.double(), reduction="none"
    ).sum(1)
    assert torch.equal(BinaryCrossEntropy().build(COUNTS)(logits, LABELS), expected)
    for same in (SigmoidFocal(gamma=0), Asymmetric(gamma_neg=0, clip=0)):
        torch.testing.assert_close(same.build(COUNTS)(logits, LABELS), expected)


def test_balanced_weighs_the_images_of_a_class_as_much_as_the_others(logits):
    assert positive_weights(COUNTS) == (1, 7, 2 / 6)
    assert positive_weights(ClassCounts([1, 0], images=1000)) == (MOST_WEIGHT, 1)
    assert positive_weights(ClassCounts([3, 0], images=3)) == (1, 1)  # 0 would train nothing
    loss = BinaryCrossEntropy(pos_weight="balanced").build(COUNTS)
    expected = functional.binary_cross_entropy_with_logits(
        logits, LABELS.double(), reduction="none", pos_weight=torch.tensor([1, 7, 2 / 6]).double()
    )
    torch.testing.assert_close(loss(logits, LABELS), expected.sum(1), rtol=1e-6, atol=0)
    focal = SigmoidFocal(gamma=0, pos_weight="balanced").build(COUNTS)
    torch.testing.assert_close(focal(logits, LABELS), expected.sum(1), rtol=1e-6, atol=0)


def test_focal_is_torchvisions(logits):
    expected = sigmoid_focal_loss(logits, LABELS.double(), alpha=-1, gamma=2).sum(1)
    torch.testing.assert_close(SigmoidFocal().build(COUNTS)(logits, LABELS), expected)


def test_asymmetric_by_its_formula(logits):
    p = logits.sigmoid()
    shifted = (p - 0.05).clamp(min=0)
    there, gone = (1 - p) * p.log(), shifted**4 * (1 - shifted).log()
    expected = -torch.where(LABELS.bool(), there, gone).sum(1)
    loss = Asymmetric(gamma_pos=1.0).build(COUNTS)
    torch.testing.assert_close(loss(logits, LABELS), expected)
    easy = loss(torch.full((1, 3), -4.0), torch.zeros(1, 3))
    assert easy.item() == 0


@pytest.mark.parametrize("component", tlf_losses().values(), ids=tlf_losses())
def test_losses_are_finite_and_of_mixed_labels_the_mixture(component, logits):
    loss = component().build(COUNTS)
    TASKS["multi-label"].check_loss(loss, 3)
    soft = torch.lerp(LABELS.double(), LABELS.flip(0).double(), 0.3)
    mixed = 0.7 * loss(logits, LABELS) + 0.3 * loss(logits, LABELS.flip(0))
    torch.testing.assert_close(loss(logits, soft), mixed)
    for kind in (torch.float32, torch.bfloat16, torch.float16):
        extreme = (100 * logits).to(kind).requires_grad_()
        losses = loss(extreme, LABELS)
        losses.float().sum().backward()
        assert losses.isfinite().all()
        assert losses.min() >= 0
        assert extreme.grad.isfinite().all()
    assert component.tasks == ("multi-label",)
    pickle.loads(pickle.dumps(loss))


def test_powers_below_one_have_a_gradient():
    logits = torch.tensor([[50.0, -50.0, 0.0]], requires_grad=True)
    Asymmetric(0.5, 0.5, 0.2).build(COUNTS)(logits, LABELS[:1]).sum().backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: SigmoidFocal(gamma=-1), "gamma must be finite and 0 or more, got -1"),
        (lambda: Asymmetric(gamma_pos=float("nan")), "gamma_pos must be finite"),
        (lambda: Asymmetric(gamma_neg=float("inf")), "gamma_neg must be finite"),
        (lambda: Asymmetric(clip=1.0), "clip must be a probability from 0 to below 1, got 1.0"),
    ],
)
def test_options_are_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()

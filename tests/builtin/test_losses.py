import math
import pickle
from dataclasses import asdict

import pytest
import torch
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from tlf.builtin.losses import CrossEntropy, Focal, balanced_weights, tlf_losses

COUNTS = (1, 3, 4)


@pytest.fixture
def logits():
    torch.manual_seed(0)
    return torch.randn(8, 3, dtype=torch.float64)


@pytest.fixture
def labels():
    """The labels of COUNTS images of each class."""
    return torch.tensor([0, 1, 1, 1, 2, 2, 2, 2])


def soft(labels):
    return functional.one_hot(labels, 3).double()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs_per_image(logits, labels, smoothing):
    loss = CrossEntropy(label_smoothing=smoothing).build(COUNTS)
    reference = torch.nn.CrossEntropyLoss(reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(loss(logits, labels), reference(logits, labels))
    torch.testing.assert_close(loss(logits, soft(labels)), reference(logits, labels))


def test_label_smoothing_by_its_formula(logits, labels):
    smoothed = 0.7 * soft(labels) + 0.3 / 3
    expected = -(smoothed * logits.log_softmax(1)).sum(1)
    loss = CrossEntropy(label_smoothing=0.3).build(COUNTS)
    torch.testing.assert_close(loss(logits, labels), expected)


def test_balanced_weights_by_hand():
    assert balanced_weights(COUNTS) == pytest.approx((8 / 3, 8 / 9, 8 / 12))
    weights = balanced_weights(COUNTS)
    assert sum(w * n for w, n in zip(weights, COUNTS, strict=True)) == pytest.approx(8)
    assert balanced_weights((5, 5)) == (1, 1)


@pytest.mark.parametrize("component", [CrossEntropy, Focal])
def test_balanced_multiplies_each_image(logits, labels, component):
    plain = component().build(COUNTS)(logits, labels)
    balanced = component(class_weights="balanced").build(COUNTS)(logits, labels)
    weights = torch.tensor(balanced_weights(COUNTS), dtype=torch.float64)
    torch.testing.assert_close(balanced, plain * weights[labels], rtol=1e-6, atol=0)


def test_balanced_over_the_whole_split_is_torchs_weighted_mean(logits, labels):
    weights = torch.tensor(balanced_weights(COUNTS), dtype=torch.float64)
    torchs = functional.cross_entropy(logits, labels, weight=weights)
    found = CrossEntropy(class_weights="balanced").build(COUNTS)(logits, labels).mean()
    assert float(found) == pytest.approx(float(torchs))
    # On a part of it, torch divides by the weights of the part.
    torchs = functional.cross_entropy(logits[:2], labels[:2], weight=weights)
    found = CrossEntropy(class_weights="balanced").build(COUNTS)(logits[:2], labels[:2]).mean()
    assert float(found) == pytest.approx(float(torchs * (8 / 3 + 8 / 9) / 2))


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_adjusted_logits_are_the_formula_of_menon(logits, labels, strength):
    """-log of exp(f_y) π_y^τ / Σ exp(f_k) π_k^τ, by Python's own numbers."""
    priors = [count / sum(COUNTS) for count in COUNTS]
    expected = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        terms = [math.exp(f) * p**strength for f, p in zip(row, priors, strict=True)]
        expected.append(-math.log(terms[label] / sum(terms)))
    loss = CrossEntropy(logit_adjustment=strength).build(COUNTS)
    found = loss(logits, labels)
    torch.testing.assert_close(found, torch.tensor(expected).double(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(loss(logits, soft(labels)), found)
    shifted = logits + strength * torch.tensor(priors).double().log()
    both = CrossEntropy(0.1, "balanced", strength).build(COUNTS)(logits, labels)
    plain = CrossEntropy(0.1, "balanced").build(COUNTS)(shifted, labels)
    torch.testing.assert_close(both, plain, rtol=1e-6, atol=1e-6)


def test_adjusted_scores_are_those_of_equally_frequent_classes():
    """A table of logits for 2 inputs, minimised over the train split, gives the probabilities of
    each class where both are equally frequent: P(x | y) / Σ P(x | k), by hand.
    """
    seen = torch.tensor([[30, 2], [10, 6]])  # of 40 images of class 0 and 8 of class 1, by input
    table = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    inputs, labels = (torch.tensor(each) for each in ([0, 0, 1, 1], [0, 1, 0, 1]))
    loss = CrossEntropy(logit_adjustment=1.0).build((40, 8))
    optimizer = torch.optim.LBFGS([table], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        total = (loss(table[inputs], labels) * seen.flatten()).sum()
        total.backward()
        return total

    optimizer.step(closure)
    given = seen / seen.sum(0)
    expected = given / given.sum(1, keepdim=True)
    torch.testing.assert_close(table.detach().softmax(1).float(), expected, atol=1e-4, rtol=0)


def test_a_class_without_images_has_no_logit_to_adjust():
    with pytest.raises(ValueError, match=r"class 1 .* no images .* write logit_adjustment = 0.0"):
        CrossEntropy(logit_adjustment=1.0).build((3, 0, 2))
    for wrong in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="logit_adjustment must be finite and 0 or more"):
            CrossEntropy(logit_adjustment=wrong)


@pytest.mark.parametrize("component", [CrossEntropy, Focal])
def test_a_class_without_images_cannot_be_balanced(component):
    with pytest.raises(ValueError, match=r"class 1 .* has no images .* write class_weights"):
        component(class_weights="balanced").build((3, 0, 2))
    component().build((3, 0, 2))


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_focal_with_two_classes_is_torchvisions(gamma):
    torch.manual_seed(0)
    score, labels = torch.randn(16, dtype=torch.float64) * 3, torch.arange(16) % 2
    two = torch.stack([torch.zeros_like(score), score], dim=1)
    reference = sigmoid_focal_loss(score, labels.double(), alpha=-1, gamma=gamma)
    torch.testing.assert_close(Focal(gamma).build((8, 8))(two, labels), reference)


def test_focal_without_gamma_is_cross_entropy(logits, labels):
    reference = functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(Focal(0.0).build(COUNTS)(logits, labels), reference)


@pytest.mark.parametrize("component", [CrossEntropy, Focal])
def test_probabilities_of_one_class_are_its_label(logits, labels, component):
    loss = component(class_weights="balanced").build(COUNTS)
    torch.testing.assert_close(loss(logits, soft(labels)), loss(logits, labels))


def by_hand(component, logits, targets):
    """The loss of each image, image by image, in Python's own numbers."""
    weights, losses = balanced_weights(COUNTS), []
    smoothing, gamma = getattr(component, "label_smoothing", 0), getattr(component, "gamma", 0)
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        total = sum(math.exp(score) for score in row)
        loss = weight = 0.0
        for score, share, of_class in zip(row, target, weights, strict=True):
            p = math.exp(score) / total
            smoothed = (1 - smoothing) * share + smoothing / len(row)
            loss -= smoothed * (1 - p) ** gamma * math.log(p)
            weight += share * of_class
        losses.append(weight * loss)
    return torch.tensor(losses, dtype=logits.dtype)


WEIGHTED = [
    CrossEntropy(class_weights="balanced"),
    CrossEntropy(label_smoothing=0.1, class_weights="balanced"),
    CrossEntropy(label_smoothing=0.9, class_weights="balanced"),
    Focal(2.0, class_weights="balanced"),
    Focal(0.5, class_weights="balanced"),
]


@pytest.mark.parametrize("component", WEIGHTED, ids=str)
def test_the_whole_loss_of_an_image_is_weighted(logits, labels, component):
    """Not the terms of its target: the part of a rare class would count in every image."""
    loss = component.build(COUNTS)
    mixed = 0.25 * soft(labels) + 0.75 * soft(labels.flip(0))
    for targets in (labels, soft(labels), mixed):
        expected = by_hand(component, logits, targets if targets.ndim == 2 else soft(labels))
        torch.testing.assert_close(loss(logits, targets), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("component", WEIGHTED, ids=str)
def test_with_weights_the_best_constant_guess_is_no_rare_class(component):
    """The guess that minimises the weighted loss over a split gives every class the same."""
    counts, logits = (50, 50, 2), torch.zeros(3, requires_grad=True)
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
    loss = component.build(counts)(logits.expand(len(labels), 3), labels).mean()
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(gradient, torch.zeros(3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("component", [CrossEntropy, Focal])
def test_losses_of_mixed_labels_are_mixed(logits, labels, component):
    loss = component().build(COUNTS)
    mixed = 0.25 * soft(labels) + 0.75 * soft(labels.flip(0))
    expected = 0.25 * loss(logits, labels) + 0.75 * loss(logits, labels.flip(0))
    torch.testing.assert_close(loss(logits, mixed), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_right_gradients_however_confident_the_model_is(logits, labels, gamma):
    loss = Focal(gamma).build(COUNTS)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), logits.requires_grad_())
    confident = (1000 * functional.one_hot(labels, 3).float()).requires_grad_()
    (loss(confident, labels).sum() + loss(confident, labels.flip(0)).sum()).backward()
    assert confident.grad.isfinite().all()


@pytest.mark.parametrize("kind", tlf_losses())
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_half_precision_and_other_devices(kind, dtype):
    loss = tlf_losses()[kind](class_weights="balanced").build(COUNTS)
    logits, labels = torch.randn(4, 3, dtype=dtype), torch.tensor([0, 1, 2, 0])
    assert loss(logits, labels).dtype == dtype
    assert loss(logits, soft(labels).float()).shape == (4,)
    assert loss(logits.to("meta"), labels.to("meta")).device.type == "meta"


@pytest.mark.parametrize(
    ("component", "options", "message"),
    [
        (CrossEntropy, {"label_smoothing": 1.0}, "from 0 to below 1, got 1.0"),
        (CrossEntropy, {"label_smoothing": -0.1}, "from 0 to below 1, got -0.1"),
        (Focal, {"gamma": -1.0}, "gamma must be finite and 0 or more, got -1.0"),
        (Focal, {"gamma": float("inf")}, "gamma must be finite and 0 or more, got inf"),
    ],
)
def test_wrong_options(component, options, message):
    with pytest.raises(ValueError, match=message):
        component(**options)


@pytest.mark.parametrize("kind", tlf_losses())
def test_components_are_values_and_build_what_can_be_pickled(kind, logits, labels):
    component = tlf_losses()[kind](class_weights="balanced")
    assert pickle.loads(pickle.dumps(component)) == component
    assert type(component)(**asdict(component)) == component
    loss = component.build(COUNTS)
    sent = pickle.loads(pickle.dumps(loss))
    assert torch.equal(sent(logits, labels), loss(logits, labels))

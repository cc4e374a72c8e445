"""Predictions of sets of different shapes."""

from collections.abc import Callable, Mapping

import numpy as np

from tlf.metrics.predicted import Predicted


def predicted(labels, probabilities, classes=None) -> Predicted:
    """Predictions as a model gives them, in float32."""
    probabilities = np.array(probabilities, dtype=np.float32)
    names = tuple(f"val/{image:05}.jpg" for image in range(len(labels)))
    classes = classes or tuple(f"class {number}" for number in range(probabilities.shape[1]))
    return Predicted(names, np.array(labels), probabilities.astype(np.float64), classes)


def drawn(images: int, classes: int, *, skill=2.0, seed=0, share=None) -> Predicted:
    """Predictions of a model with some skill. ``share``: class → its share of the labels."""
    random = np.random.default_rng(seed)
    labels = random.choice(classes, images, p=share)
    logits = random.normal(0, 1, (images, classes))
    logits[np.arange(images), labels] += skill
    powers = np.exp(logits)
    return predicted(labels, powers / powers.sum(1, keepdims=True))


def absent() -> Predicted:
    """Ten classes. No image is of the third, which is predicted; the fourth is never predicted."""
    share = np.array([1, 1, 0, 1, 1, 1, 1, 1, 1, 1]) / 9
    found = drawn(300, 10, seed=2, share=share)
    rows = found.probabilities.copy()
    rows[:, 3] = 0
    rows[:, 2] += 0.05
    return predicted(found.labels, rows / rows.sum(1, keepdims=True))


def imbalanced() -> Predicted:
    return drawn(250, 7, seed=3, share=np.array([64, 32, 16, 8, 4, 2, 1]) / 127)


SETS: Mapping[str, Callable[[], Predicted]] = {
    "two classes": lambda: drawn(90, 2, skill=1.0),
    "a class without an image": absent,
    "imbalanced": imbalanced,
    "1,000 classes": lambda: drawn(300, 1000, skill=5.0),
    "perfect": lambda: predicted(np.arange(40) % 4, np.eye(4)[np.arange(40) % 4]),
    "constant": lambda: predicted(np.arange(60) % 12, np.full((60, 12), 1 / 12)),
    "one class of two": lambda: predicted([1, 1, 1], [[0.2, 0.8], [0.6, 0.4], [0.5, 0.5]]),
    "two images": lambda: drawn(2, 3),
    "one class": lambda: predicted([0, 0, 0], np.ones((3, 1))),
}

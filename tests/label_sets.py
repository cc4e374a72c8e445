"""Predictions of images with any number of labels, of different shapes."""

import numpy as np

from tlf.metrics.multi_label.predicted import MultiLabelPredicted


def marked(labels, probabilities, thresholds=0.5, classes=None) -> MultiLabelPredicted:
    """Predictions as a model gives them, in float32."""
    rows = np.array(probabilities, dtype=np.float32).astype(np.float64)
    names = tuple(f"val/{image:05}.jpg" for image in range(len(labels)))
    classes = classes or tuple(f"class {number}" for number in range(rows.shape[1]))
    limits = np.broadcast_to(np.asarray(thresholds, dtype=np.float64), rows.shape[1:])
    return MultiLabelPredicted(
        names, np.array(labels, dtype=bool), rows, classes, rows >= limits, tuple(limits.tolist())
    )


def drawn_sets(images: int, classes: int, *, skill=2.0, seed=0) -> MultiLabelPredicted:
    """A model with some skill. Some probabilities are equal; class k has a share of 1 / (k + 2)."""
    random = np.random.default_rng(seed)
    labels = random.random((images, classes)) < 1 / (np.arange(classes) + 2)
    logits = random.normal(-1, 1, (images, classes)) + skill * labels
    return marked(labels, np.round(1 / (1 + np.exp(-logits)), 2), np.linspace(0.3, 0.6, classes))


def odd_sets() -> MultiLabelPredicted:
    """No image has the first class, all have the second, and the third is never given."""
    found = drawn_sets(60, 5, seed=1)
    labels, rows = found.labels.copy(), found.probabilities.copy()
    labels[:, 0], labels[:, 1], rows[:, 2] = False, True, 0.1
    return marked(labels, rows)


LABEL_SETS = {
    "drawn": lambda: drawn_sets(120, 7),
    "odd": odd_sets,
    "perfect": lambda: marked(np.eye(4)[np.arange(20) % 4], np.eye(4)[np.arange(20) % 4]),
    "constant": lambda: marked(np.eye(3)[np.arange(20) % 3], np.full((20, 3), 0.5)),
    "one image": lambda: marked([[1, 0]], [[0.3, 0.9]]),
    "no label": lambda: marked(np.zeros((6, 2)), np.full((6, 2), 0.2)),
}

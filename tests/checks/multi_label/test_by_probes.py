"""Findings about images with any number of labels."""

import numpy as np

from tlf.checks.findings import ImageRef
from tlf.checks.multi_label.by_probes import by_probes
from tlf.components import Split, Splits
from tlf.data.embedded import EmbeddedSplits
from tlf.tasks import TASKS


def test_a_suspect_names_the_labels_that_it_looks_like():
    random = np.random.default_rng(1)
    truth = random.random((60, 2)) < 0.5
    rows = (truth * 2.0 - 1 + random.normal(0, 0.1, truth.shape)).astype(np.float32)
    labels = np.column_stack([truth, np.zeros(60, bool)])
    image = int(np.flatnonzero(truth.all(1))[0])
    labels[image, 1] = False
    task, classes = TASKS["multi-label"], ("ant", "bee", "fly")
    listed = tuple(tuple(np.flatnonzero(row).tolist()) for row in labels)
    names = tuple(f"{n}.jpg" for n in range(60))
    split = Split(names, listed, bytes)
    embedded = EmbeddedSplits(Splits(split, split, classes), task, rows, rows, {}, {}, {})
    images = tuple(
        ImageRef("train", n, names[n], task.names(label, classes)) for n, label in enumerate(listed)
    )
    suspects, pairs, notes = by_probes(embedded, images, labels, rows, np.arange(60), 0)
    assert (suspects[0].image.index, suspects[0].image.label) == (image, "ant")
    assert suspects[0].proposed == "ant; bee"
    assert len(suspects[0].neighbours) == 3
    assert pairs == ()
    assert notes[0].startswith("labels of 'fly' were not judged")

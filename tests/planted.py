"""Pictures and embeddings that are like photographs and those of their kinds."""

import numpy as np
from PIL import Image


def drawing(seed):
    """Blobs of several sizes, as a photograph has them."""
    rng = np.random.default_rng(seed)
    layers = [
        Image.fromarray(rng.integers(0, 255, (side, side), np.uint8)).resize((128, 128), 3)
        for side in (4, 8, 16)
    ]
    return Image.fromarray(np.mean([np.asarray(layer, float) for layer in layers], 0).astype("u1"))


def clusters(count, classes, spread=0.3, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    rows = rng.normal(0, 1, (classes, 16))[labels] + rng.normal(0, spread, (count, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels

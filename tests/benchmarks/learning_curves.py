"""How long `tlf curve` takes on stored features, beside the same by hand with scikit-learn.

    python tests/benchmarks/learning_curves.py [--images 400] [--repeats 3]

All in one process, in turn: what was imported before is not counted.

1. tlf, the whole command but its page: drawn ants and bees as JPEGs of about 500 × 375, all but
   two of them to train on; ResNet-18 of timm at 224 pixels with random weights. It reads and hashes
   each image, and finds the features.
2. tlf, the probes and the fan alone, on as many drawn features of length 512.
3. By hand, the same on the same features: scikit-learn's `learning_curve` with a
   `LogisticRegression` at six sizes, over ten splits of `StratifiedShuffleSplit`, and a power law
   for each split by scipy's `curve_fit`.

Prints medians [smallest, largest]. Where others use the machine, look at processor seconds."""

import argparse
import gc
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from material import make_images
from measuring import machine
from table import aligned, spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

OVERRIDES = ["backbone={kind='timm', model='resnet18', weights='none'}"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    every: dict[str, list[tuple[float, float]]] = {}
    labels = np.arange(asked.images) % 2
    random = np.random.default_rng(0)
    rows = random.normal(size=(asked.images, 512)) + 0.1 * random.normal(size=(2, 512))[labels]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TLF_CACHE"] = str(Path(folder) / "cache")
        images = make_images(Path(folder) / "images", asked.images, 2)
        from_files(images)  # computes the features, and imports all
        by_hand(rows, labels)
        gc.freeze()  # as the command line does
        for _ in range(asked.repeats):
            for name, contestant in {
                "tlf, from the files": lambda: from_files(images),
                "tlf, from the features": lambda: from_features(rows, labels),
                "by hand, from the features": lambda: by_hand(rows, labels),
            }.items():
                every.setdefault(name, []).append(taken(contestant))
    table = [["a learning curve", "seconds", "CPU seconds"]]
    for name, values in every.items():
        walls, cpus = zip(*values, strict=True)
        table.append([name, spread(walls, 2), spread(cpus, 2)])
    print(f"{asked.images} images, n = {asked.repeats}", *aligned(table), sep="\n")
    print(machine("torch", "timm", "scikit-learn", "scipy", "tlf"))


def taken(contestant: Callable[[], object]) -> tuple[float, float]:
    """Seconds and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    contestant()
    return time.perf_counter() - wall, time.process_time() - cpu


def from_files(images: Path) -> None:
    """The whole command but its page."""
    import tlf

    *_, found = tlf.curve(images, OVERRIDES)
    assert len(found.sizes) == 6


def from_features(rows: "NDArray[np.float64]", labels: "NDArray[np.int64]") -> None:
    """The probes of all sizes and draws, and the fan."""
    from tlf.studies.judged import judged_images
    from tlf.studies.learning_curve.draws import DEALS, draws_of, sizes_of
    from tlf.studies.learning_curve.fan import fan_of
    from tlf.studies.learning_curve.size_probes import probe_sizes

    judged = judged_images(labels, np.arange(len(rows)), ("ants", "bees"), 0, DEALS)
    draws = draws_of(judged, 0)
    sizes = sizes_of((), draws, judged)
    right = np.empty((len(sizes), DEALS, len(rows)))
    for draw, one in zip(draws, probe_sizes(rows, judged, draws, sizes), strict=True):
        right[:, draw.deal, draw.held_out] = one[..., 0]
    assert fan_of(sizes, right, judged.folds, 0) is not None


def by_hand(rows: "NDArray[np.float64]", labels: "NDArray[np.int64]") -> None:
    """Scikit-learn and scipy alone."""
    from scipy.optimize import curve_fit
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedShuffleSplit, learning_curve
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a split of few images may lack a class
        sizes, _, scores = learning_curve(
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), rows, labels,
            cv=StratifiedShuffleSplit(10, test_size=0.2, random_state=0), shuffle=True,
            train_sizes=np.geomspace(1 / 32, 1, 6), random_state=0,
        )  # fmt: skip
        for split in scores.T:
            curve_fit(
                lambda n, a, b, c: a + b * n**-c, sizes / sizes[-1],
                1 - np.nan_to_num(split, nan=0.5), p0=(0.1, 0.1, 0.5),
                bounds=([0, 0, 0.05], [1, 1, 2]), max_nfev=10_000,
            )  # fmt: skip


if __name__ == "__main__":
    main()

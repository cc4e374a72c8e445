"""How often intervals hold the true figure: ``python tests/benchmarks/intervals.py``.

Sets are drawn from a model whose figures are known from a million images. Its figures are in
tlf/metrics/README.md.
"""

import argparse
import statistics

import numpy as np

from tlf.metrics.class_counts import Confusions, defined_mean
from tlf.metrics.evaluation import evaluation
from tlf.metrics.predicted import Predicted
from tlf.metrics.resampling import RESAMPLES, resampled

CLASSES = 10
FIGURES = ("top1", "nll", "macro_f1")


def drawn(images: int, seed: int) -> Predicted:
    """Predictions of a model with some skill. Class k has 1 / k of the first one's images."""
    random = np.random.default_rng(seed)
    share = 1 / np.arange(1, CLASSES + 1)
    labels = random.choice(CLASSES, images, p=share / share.sum())
    logits = random.normal(0, 1, (images, CLASSES))
    logits[np.arange(images), labels] += 2
    return _predicted(labels, logits)


def calibrated(images: int, seed: int) -> Predicted:
    """Predictions whose labels are drawn from their own probabilities."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (images, CLASSES))
    labels = (logits + random.gumbel(size=logits.shape)).argmax(1)
    return _predicted(labels, logits)


def _predicted(labels: np.ndarray, logits: np.ndarray) -> Predicted:
    powers = np.exp(logits)
    names = tuple(map(str, range(len(labels))))
    classes = tuple(map(str, range(CLASSES)))
    return Predicted(names, labels, powers / powers.sum(1, keepdims=True), classes)


def plain_macro_f1(predicted: Predicted) -> tuple[float, float]:
    """The interval of macro F1 without the shift: the quantiles of the resamples."""
    pairs = Confusions(CLASSES, predicted.labels, predicted.predicted)
    weights = resampled(len(predicted), RESAMPLES, seed=0)
    values = np.concatenate([defined_mean(pairs.counts(block)[0].f1) for block in weights])
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Print how often intervals hold the true figure, and the ECE of a calibrated model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=400, help="sets that are drawn of each size")
    asked = parser.parse_args()
    whole = evaluation(drawn(1_000_000, seed=-1 % 2**32), resamples=2).headline
    truth = {name: whole[name].value for name in FIGURES}
    print("images a class", *FIGURES, "macro_f1 without the shift", sep=" | ")
    for images in (60, 100, 400):
        held: dict[str, list[bool]] = {name: [] for name in (*FIGURES, "plain")}
        for seed in range(asked.sets):
            predicted = drawn(images, seed)
            found = evaluation(predicted).headline
            for name in FIGURES:
                held[name].append(found[name].low <= truth[name] <= found[name].high)
            low, high = plain_macro_f1(predicted)
            held["plain"].append(low <= truth["macro_f1"] <= high)
        rates = [f"{100 * statistics.fmean(each):.1f} %" for each in held.values()]
        print(images // CLASSES, *rates, sep=" | ")
    errors = [
        evaluation(calibrated(80, seed), resamples=2).headline["ece"].value
        for seed in range(asked.sets)
    ]
    print(f"ECE of a calibrated model with 80 images: {statistics.fmean(errors):.3f}")


if __name__ == "__main__":
    main()

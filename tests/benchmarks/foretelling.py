"""Does the fan of `tlf curve` cover what more real images give?

    python tests/benchmarks/foretelling.py RECIPE [KEY=VALUE]... [--experiments 60] [--seed 0]

Each experiment draws two to four classes of the recipe's train images and 25, 50 or 100 images of
each, and makes a learning curve of them. The truth is measured with the other images: probes of as
many images as the curve's largest size has, of twice and of four times as many, each the mean of
four draws, judged on the images of these classes that they were not trained on. So the recipe needs
some hundred train images of each class. Features are those of the recipe's backbone, computed once.

Prints how often the fan covers the accuracy and the gain, and how often it refuses to say anything,
over all experiments and over those in which it speaks."""

import argparse
from typing import TYPE_CHECKING

import numpy as np
from returned import returned
from table import aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlf.studies.learning_curve.learning_curve import Fan, Spread

    Rows = NDArray[np.float32]
    Labels = NDArray[np.int64]

COUNTS = (25, 50, 100)
DRAWS = 4


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--experiments", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rows, labels = features(asked.recipe, asked.overrides)
    random = np.random.default_rng(asked.seed)
    covered: dict[int, list[list[bool]]] = {}
    for _ in range(asked.experiments):
        count = int(random.choice(COUNTS))
        covered.setdefault(count, []).append(experiment(random, rows, labels, count))
    names = ("2 ×", "4 ×", "gain 2 ×", "gain 4 ×", "hindcast held", "speaks")
    table = [["images of each class", "n", *names]]
    for count, every in sorted(covered.items()):
        table.append([str(count), *line(every)])
    every = [one for some in covered.values() for one in some]
    table.append(["all", *line(every)])
    table.append(["all that speak", *line([one for one in every if one[-1]])])
    print(*aligned(table), sep="\n")


def line(every: list[list[bool]]) -> list[str]:
    """The number of experiments, and the rate of each answer."""
    return [str(len(every)), *(f"{rate:.0%}" for rate in np.mean(every, axis=0))]


def features(recipe: str, overrides: list[str]) -> "tuple[Rows, Labels]":
    """The features of the train images, and their labels."""
    from tlf.checks.plan import plan_to_check
    from tlf.runtime.devices import start_accelerator
    from tlf.studies.backbones import plans_of
    from tlf.training.embeddings import train_embeddings
    from tlf.training.job import open_job, read_images

    (plan,) = plans_of(plan_to_check(recipe, overrides, "curve"), ()).values()
    job = returned(read_images(open_job(plan, start_accelerator(plan.recipe.precision))))
    with job.loaders:
        return returned(train_embeddings(job)).numpy(), job.labels["train"].numpy()


def experiment(
    random: np.random.Generator, rows: "Rows", labels: "Labels", count: int
) -> list[bool]:
    """Whether the fan covers accuracy and gain at 2 × and 4 ×, whether it would have foretold the
    largest size, and whether it speaks.
    """
    chosen = random.choice(labels.max() + 1, int(random.integers(2, 5)), replace=False)
    every = [random.permutation(np.flatnonzero(labels == one)) for one in chosen]
    known = np.concatenate([one[:count] for one in every])
    most, fan = curve_of(rows[known], np.repeat(np.arange(len(every)), count), random)
    now, *later = (truth(random, rows, every, most * factor) for factor in (1, 2, 4))
    forecasts = [*zip(fan.forecasts, later, strict=True)]
    return [
        *(covers(one.accuracy, value) for one, value in forecasts),
        *(covers(one.gain, value - now) for one, value in forecasts),
        fan.hindcast is None or fan.hindcast.held,
        not fan.problem,
    ]


def covers(spread: "Spread", value: float) -> bool:
    """Whether a value is within it."""
    return spread.low <= value <= spread.high


def curve_of(rows: "Rows", labels: "Labels", random: np.random.Generator) -> "tuple[int, Fan]":
    """The largest size, and the fan."""
    from tlf.studies.judged import judged_images
    from tlf.studies.learning_curve.draws import DEALS, draws_of, sizes_of
    from tlf.studies.learning_curve.fan import fan_of
    from tlf.studies.learning_curve.size_probes import probe_sizes

    seed, names = int(random.integers(2**31)), [*map(str, range(labels.max() + 1))]
    judged = judged_images(labels, np.arange(len(labels)), names, seed, DEALS)
    draws = draws_of(judged, seed)
    sizes = sizes_of((), draws, judged)
    right = np.empty((len(sizes), DEALS, len(labels)))
    for draw, one in zip(draws, probe_sizes(rows, judged, draws, sizes), strict=True):
        right[:, draw.deal, draw.held_out] = one[..., 0]
    fan = fan_of(sizes, right, judged.folds, seed)
    assert fan is not None
    return sizes[-1], fan


def truth(random: np.random.Generator, rows: "Rows", every: "list[Labels]", size: int) -> float:
    """The accuracy of probes of so many images of all classes together."""
    from tlf.studies.linear_probe import compact, logistic_probe

    points = compact(rows[np.concatenate(every)])
    labels = np.repeat(np.arange(len(every)), [len(one) for one in every])
    each = size // len(every)
    rates = []
    for _ in range(DRAWS):
        order = random.permutation(len(labels))
        own = [order[labels[order] == one] for one in range(len(every))]
        train = np.concatenate([one[:each] for one in own])
        rest = np.concatenate([one[each:] for one in own])
        probe = logistic_probe().fit(points[train], labels[train])
        rates.append(float((probe.predict(points[rest]) == labels[rest]).mean()))
    return float(np.mean(rates))


if __name__ == "__main__":
    main()

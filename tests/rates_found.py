"""What a study of learning rates may have found, of phases that exist only in name."""

from tlf.metrics.figures import Figure
from tlf.metrics.paired import Difference
from tlf.studies.learning_rate.found import HeadRates, LearningRates, MeasuredRate, RangeTest
from tlf.studies.learning_rate.valley import smooth

WORSE = Difference(-0.264, -0.333, -0.196, 245, 25)
NEAR = Difference(-0.01, -0.04, 0.02, 245, 25, images_needed=1234)


def measured(rate, value, loss, behind=None):
    """A rate with an accuracy of ``value``."""
    figure = Figure(value, value - 0.05, min(1.0, value + 0.05))
    return MeasuredRate(rate, figure, (value - 0.01, value + 0.01), loss, behind)


HEAD = HeadRates(
    phase="<head>",
    own=0.001,
    rates=(
        measured(0.001, 0.7, 0.6, WORSE),
        measured(0.01, 0.95, 0.2, NEAR),
        measured(0.1, 0.96, 0.3),
        MeasuredRate(1.0, None),
    ),
    best=0.1,
    suggestion=0.01,
    images=245,
    epochs=5,
    seeds=(0, 1),
    folds=5,
    level=0.983,
    at_once=True,
    lines=("lr = 0.01",),
)
LOSSES = (1.0, 1.0, 0.9, 0.5, 0.2, 0.4, 2.0)
TEST = RangeTest(
    phase="all",
    own=0.5,
    rates=(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    losses=LOSSES,
    smoothed=tuple(smooth(LOSSES)),
    valley=(1e-5, 1e-2),
    suggestion=3.2e-4,
    exploded=1.0,
    trained_before=("<head>",),
    lines=("lr = { head = 0.00032, layer4 = 3.2e-05 }",),
)
FLAT = RangeTest(
    phase="flat",
    own=0.5,
    rates=TEST.rates,
    losses=LOSSES,
    smoothed=TEST.smoothed,
    valley=None,
    suggestion=None,
    exploded=None,
    trained_before=(),
    lines=(),
)
FOUND = LearningRates("my/recipe.toml", (HEAD, TEST, FLAT), "cpu", ("class 'flies' is small",))

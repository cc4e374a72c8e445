"""Sentences say what the numbers of a record say, and nothing else."""

from dataclasses import replace

import pytest

from tlf.simulator.records import Measured, StageRecord, Statistics, StepRecord
from tlf.simulator.scene import Scene, SceneImage, Stage
from tlf.simulator.sentences import MOST, percent, sentences
from tlf.simulator.settings import FROZEN, TRAINABLE, Settings

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4", "head")
SCENE = Scene(
    right="",
    title="recipe.toml", backbone="torchvision resnet18", weights="starter", head="linear",
    size=112, classes=("ants", "bees"),
    stages=tuple(Stage(name, 1000, 0, 1, observed=True) for name in STAGES),
    train=(SceneImage("a.jpg", (0,), None),) * 8, eval=(SceneImage("b.jpg", (1,), None),) * 16,
    presets=(), optimizers=("sgd",), batches=(8,), initialisations=("pretrained",), device="cpu",
)  # fmt: skip
NOTHING = StageRecord(0, None, 1.0, None, None, 10.0, None, 0, True, Statistics(False, 0.0))
"""A frozen stage that no gradient reaches."""
PASSED = replace(NOTHING, flow=0.2)
"""A frozen stage that a gradient passes through."""
MOVED = StageRecord(1000, 0.1, 1.0, 0.3, 0.5, 10.0, 0.042, 990, False, Statistics(True, 0.15))


def record(step, stages, *, loss=0.7, correct=8, naive=False, weights="pretrained", batch=8):
    """A step in which some stages are as given, and every other one saw nothing."""
    own = dict.fromkeys(STAGES, NOTHING) | stages
    states = {name: TRAINABLE if stage.trains else FROZEN for name, stage in own.items()}
    settings = Settings(states, {"head": 0.1}, naive=naive, weights=weights, batch=batch)
    measured = Measured(loss, correct, (), ())
    return StepRecord(step, settings, loss, correct, 0.1, own, measured, measured)


def told(now, before=None):
    """The sentences of a record."""
    return sentences(SCENE, now, before)


LAST = {"layer4": MOVED, "head": replace(MOVED, update=0.5, statistics=None)}
START = {name: replace(stage, flow=None, gradient=None, moved=0) for name, stage in LAST.items()}


def test_before_the_first_step_they_say_what_will_happen():
    assert told(record(0, START)) == (
        "layer4 and the head train: 2,000 of 6,000 parameters.",
        "The gradient will stop at layer4, because nothing below it trains.",
        "stem to layer3 will stay as they are.",
    )


def test_a_step():
    assert told(record(3, LAST, loss=0.57), record(2, LAST, loss=0.7)) == (
        "The loss on the batch fell from 0.70 to 0.57.",
        "The head moved by 5.0 %; layer4 moved by 0.42 %.",
        "stem to layer3 got no gradient, because nothing at layer3 or below trains.",
        "Right about unseen images: 8 of 16, as before.",
    )


def test_a_frozen_stage_between_others_lets_the_gradient_pass():
    sandwich = {"layer2": MOVED, "layer3": PASSED, "layer4": MOVED, "head": MOVED}
    assert (
        "layer3 is frozen, but the gradient passed through it to layer2, which trains."
    ) in told(record(1, sandwich), record(0, sandwich))
    start = {name: replace(stage, flow=None, gradient=None) for name, stage in sandwich.items()}
    assert (
        "The gradient will pass through layer3, which is frozen, and reach layer2, which trains."
    ) in told(record(0, start))


def test_naive_freezing_comes_first():
    drifted = replace(NOTHING, unchanged=False, statistics=Statistics(True, 0.29))
    stages = {"stem": drifted, "head": MOVED}
    first, *others = told(record(2, stages, naive=True), record(1, stages, naive=True))
    assert first == (
        "BatchNorm statistics of stem have drifted by 29 % since the start, although it is "
        "frozen: naive freezing."
    )
    assert not any("unchanged" in sentence for sentence in others)
    both = stages | {"layer1": replace(drifted, statistics=Statistics(True, 0.4))}
    assert told(record(2, both, naive=True), record(1, both, naive=True))[0] == (
        "BatchNorm statistics of stem and layer1 have drifted by up to 40 % since the start (in "
        "layer1), although they are frozen: naive freezing."
    )
    assert any("Naive freezing: stem to layer4 stay in training mode" in sentence
               for sentence in told(record(0, {"head": MOVED}, naive=True)))  # fmt: skip


def test_frozen_stages_are_called_unchanged_only_if_every_bit_is():
    kept = dict.fromkeys(STAGES[1:-1], PASSED) | {"stem": MOVED, "head": MOVED}
    now, unseen = record(2, kept), replace(SCENE, eval=())
    *_, last = sentences(unseen, now, record(1, kept))
    assert last == "layer1 to layer4 are frozen and unchanged, bit for bit."
    one_bit = record(2, kept | {"layer1": replace(PASSED, unchanged=False)})
    assert not any("unchanged" in sentence for sentence in sentences(unseen, one_bit, now))


@pytest.mark.parametrize(
    ("stage", "why"),
    [
        (replace(MOVED, moved=0, rate=0.0), "its learning rate is 0"),
        (replace(MOVED, moved=0, gradient=None), "it got no gradient"),
        (replace(MOVED, moved=0, gradient=0.0), "its gradient is 0"),
        (replace(MOVED, moved=0, gradient=1e-9), "the update is too small to change a number"),
    ],
)
def test_a_stage_that_trains_but_does_not_move_says_why(stage, why):
    stages = {"layer4": stage, "head": MOVED}
    expected = f"layer4 trains but did not move: {why}."
    assert expected in told(record(2, stages), record(1, stages))


def test_a_stage_that_cannot_be_seen_is_not_said_to_get_no_gradient():
    """A stage without a module has no flow, though a gradient may well pass."""
    stages = {"stem": MOVED, "layer1": replace(NOTHING, output=None), "head": MOVED}
    found = told(record(2, stages), record(1, stages))
    assert not any("layer1" in s and "gradient" in s for s in found)


def test_stages_that_do_not_follow_each_other_are_not_called_a_range():
    every_second = {"stem": MOVED, "layer2": MOVED, "layer4": MOVED, "head": MOVED}
    assert told(record(0, every_second))[0].startswith("stem, layer2 and 2 more stages train:")


def test_thawing():
    first, *_ = told(record(3, LAST), record(2, {"head": MOVED, "stem": MOVED}))
    assert first == "From this step on, layer4 trains and stem is frozen."


def test_a_broken_step_says_what_to_do():
    text = "In step 3, the loss is nan, which is no finite number"
    broken = replace(record(3, LAST), loss=None, broken=text)
    assert told(broken, record(2, LAST)) == (
        f"{text}.",
        "Press Reset, then choose a lower learning rate than 0.1.",
    )


def test_a_step_that_fp16_skipped_is_not_said_to_have_too_small_updates():
    still = {"head": replace(MOVED, moved=0, gradient=None)}
    skipped = replace(record(3, still), skipped=True)
    (sentence,) = told(skipped, record(2, LAST))
    assert sentence.startswith("No weight moved: gradients were too large for fp16.")


def test_losses_of_other_batches_are_not_compared():
    found = told(record(3, LAST, batch=4), record(2, LAST, batch=8))
    assert not any("loss" in sentence for sentence in found)


def test_stages_of_which_a_part_trains():
    part = dict.fromkeys(STAGES[:-1], replace(MOVED, trains=10))
    assert told(record(0, part | {"head": MOVED}))[0] == (
        "The head trains, and a part of stem to layer4: 1,050 of 6,000 parameters."
    )
    assert told(record(0, {"stem": replace(MOVED, trains=10)}))[0] == (
        "A part of stem trains: 10 of 6,000 parameters."
    )


@pytest.mark.parametrize(
    ("then", "now", "text"),
    [
        (0.7, 0.57, "fell from 0.70 to 0.57"), (0.0153, 0.0107, "fell from 0.015 to 0.011"),
        (0.7034, 0.7031, "fell from 0.7034 to 0.7031"), (11.0, 234.5, "rose from 11 to 234"),
        (0.5, 0.5, "did not change: 0.5"), (0.70341, 0.70342, "hardly changed: 0.703"),
        (0.0, 0.0, "did not change: 0"), (1e-12, 0.0, "hardly changed: 0"),
        (1e30, 1.0, f"fell from {1e30:.0f} to 1"),
    ],
)  # fmt: skip
def test_losses_have_the_digits_that_tell_them_apart(then, now, text):
    found = told(record(2, LAST, loss=now), record(1, LAST, loss=then))
    assert found[0] == f"The loss on the batch {text}."


def test_nothing_trains():
    assert told(record(0, {}))[0].startswith("Nothing trains: a step will change no weight.")
    assert told(record(0, dict.fromkeys(STAGES, MOVED))) == (
        "Everything trains: 6,000 parameters.",
    )


def test_random_weights():
    assert "The weights are random: the network has learned nothing before." in told(
        record(0, {"head": MOVED}, weights="random")
    )


def test_there_are_few():
    drifted = replace(PASSED, unchanged=False, statistics=Statistics(True, 0.29))
    stages = {"stem": MOVED, "layer1": drifted, "head": MOVED}
    found = told(record(2, stages, naive=True), record(1, stages | {"layer2": MOVED}, naive=True))
    assert len(found) == MOST


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.29, "29 %"), (0.1366, "14 %"), (0.0042, "0.42 %"), (0.0099, "0.99 %"), (0.0, "0.00 %"),
     (0.000199, "0.020 %"), (1.5, "150 %"), (1.23e-5, "0.0012 %"), (1e-9, "less than 0.0001 %")],
)  # fmt: skip
def test_percent(share, text):
    assert percent(share) == text

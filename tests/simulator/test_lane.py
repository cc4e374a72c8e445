"""A lane: reset, settings that change between two steps, and networks of every shape."""

import json
import re
from contextlib import nullcontext
from copy import copy, deepcopy
from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

from lanes import THREADS, lane_of, opened, settings_of
from tlf.errors import FrozenMovedError, NotFiniteError, TlfError, WeightsError
from tlf.freezing.freeze import audit, digests, freeze
from tlf.hookspecs import hookimpl
from tlf.model import Classifier
from tlf.results import EpochResult
from tlf.simulator.lane import Lane
from tlf.training.state import State
from tlf.training.trainer import train

TOP = ["block4", "head"]


def deep(count):
    """A network of many stages with BatchNorm and dropout, as a plugin may offer it."""
    blocks = [
        nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Tanh(), nn.Dropout(0.1))
        for _ in range(count)
    ]
    stages = {
        f"block{n}": [f"{n}.{name}" for name, _ in block.named_parameters()]
        for n, block in enumerate(blocks)
    }
    network = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Classifier(network, nn.Linear(3, 2), stages)


@pytest.fixture(scope="module")
def job(tmp_path_factory, images):
    """A job with a network of five stages. A test that changes it puts it back."""
    job = opened(tmp_path_factory.mktemp("lane"), images, "test_resnet")
    torch.manual_seed(0)
    return replace(job, classifier=deep(5))


@pytest.fixture
def lane(job):
    before = deepcopy(job.classifier.state_dict())
    yield lane_of(job, settings_of(job, TOP))
    job.classifier.load_state_dict(before)


def copied(job):
    """The same job with a network of its own."""
    return replace(job, classifier=deepcopy(job.classifier))


def timeless(record):
    """What a record says, apart from the time."""
    return json.dumps(asdict(replace(record, seconds=None)), allow_nan=False)


def steps(lane, count):
    return [timeless(lane.make_step()) for _ in range(count)]


def test_the_same_steps_give_the_same_bits_and_lanes_do_not_disturb_each_other(job, lane):
    first, alone = timeless(lane.start()), steps(lane, 2)
    other = lane_of(copied(job), settings_of(job, ["head"], naive=True, batch=8, optimizer="adamw"))
    assert timeless(lane.start()) == first
    for record in alone:
        other.make_step()
        assert timeless(lane.make_step()) == record
    assert lane.step == 2


def test_settings_that_nothing_can_train_with_leave_the_lane_as_it_is(job, lane):
    lane.start()
    expected = steps(lane, 2)
    lane.start()
    assert steps(lane, 1) == expected[:1]
    own = lane.settings
    for trains, more, message in (
        ([], {}, "a stage must train, got all of them frozen"),
        (TOP, {"lr": {"backbone": 0.1}}, r"head\..* trains but has no learning rate; add head"),
        (TOP, {"lr": {"head": 0.1}}, "has no learning rate; add backbone"),
        (TOP, {"lr": {"head": 0.1, "layer9": 0.1}}, "no stage 'layer9'"),
    ):
        with pytest.raises(TlfError, match=message):
            lane.change(settings_of(job, trains, **more))
        assert lane.settings is own
    assert steps(lane, 1) == expected[1:]


def test_a_network_that_cannot_be_opened_leaves_the_lane_as_it_is(job):
    def open_job(weights, seed):
        if seed:
            raise WeightsError("the weights are gone")
        return copied(job)

    lane = Lane(open_job, job.recipe.phases[0], settings_of(job, TOP), {}, THREADS)
    lane.start()
    expected = steps(lane, 2)
    lane.start()
    assert steps(lane, 1) == expected[:1]
    with pytest.raises(WeightsError):
        lane.change(settings_of(job, TOP, seed=1))
    assert steps(lane, 1) == expected[1:]
    begun = lane.change(settings_of(job, ["head"], weights="random"))
    assert (begun.step, lane.step, begun.settings.weights) == (0, 0, "random")


def test_no_optimizer_is_kept_that_nobody_uses(job, lane):
    lane.change(settings_of(job, TOP, optimizer="adamw"))
    assert lane.network.job.accelerator._optimizers == []
    assert lane.make_step().stages["head"].moved > 0


def test_settings_that_are_changed_back_before_a_step_change_nothing(job, lane):
    lane.start()
    expected = steps(lane, 2)
    lane.start()
    assert steps(lane, 1) == expected[:1]
    own = lane.settings
    for trains, more in ((["head"], {}), (TOP, {"optimizer": "adamw"}), (TOP, {"naive": True})):
        assert lane.change(settings_of(job, trains, **more)) is None
    lane.change(own)
    assert steps(lane, 1) == expected[1:]


def test_a_step_is_an_update_of_a_run(tmp_path, images):
    more = "batch_size = 20\nclip_grad_norm = 0.1\n[optimizer]\nkind = 'adamw'\n"
    job = opened(tmp_path, images, "test_resnet", more)
    own = copied(job)
    trains = [*own.classifier.stages, "head"]
    rates = {"head": 0.01, "backbone": 0.01}
    lane = lane_of(own, settings_of(own, trains, lr=rates, optimizer="adamw", batch=20))
    record = lane.make_step()
    (result,) = [event for event in train(job, State()) if isinstance(event, EpochResult)]
    assert result.train_loss == pytest.approx(record.loss, rel=1e-5)
    for stage, seen in record.stages.items():
        signals = result.stages[stage]
        assert signals.grad_norm == pytest.approx(seen.gradient, rel=1e-4)
        assert signals.weight_norm > 0
    assert result.metrics["loss"] == pytest.approx(record.eval.loss, rel=1e-4)


@pytest.mark.parametrize("naive", [False, True])
def test_a_frozen_stage_is_the_same_bit_for_bit_and_naive_freezing_drifts(job, lane, naive):
    lane.change(settings_of(job, TOP, naive=naive))
    lane.start()
    frozen = {*job.classifier.backbone_names} - {*job.classifier.stages["block4"]}
    freeze(job.classifier, frozen)
    before = digests(job.classifier)
    records = [lane.make_step() for _ in range(3)]
    for record in records:
        for stage in ("block0", "block1", "block2", "block3"):
            seen = record.stages[stage]
            assert (seen.moved, seen.unchanged, seen.statistics.changed) == (0, not naive, naive)
    freeze(job.classifier, frozen)
    with pytest.raises(FrozenMovedError) if naive else nullcontext():
        audit(job.classifier, frozen, before, digests(job.classifier))


def test_naive_freezing_is_switched_on_and_off_between_steps(job, lane):
    lane.start()
    drifts = []
    for naive in (False, True, False, True):
        lane.change(replace(lane.settings, naive=naive))
        seen = lane.make_step().stages["block0"].statistics
        assert seen.changed == naive
        drifts.append(seen.drift)
    assert drifts[0] == 0 < drifts[1] == drifts[2] < drifts[3]


def test_a_step_that_explodes_says_what_and_where_and_a_reset_works(job, lane):
    first = timeless(lane.start())
    lane.change(settings_of(job, TOP, lr={"head": 1e38, "backbone": 1e38}))
    record = lane.make_step()
    while record.broken is None:
        record = lane.make_step()
    assert lane.broken == record.broken
    assert re.match(r"In step \d, the .* is (inf|nan), which is no finite number$", record.broken)
    assert timeless(record)  # no NaN is in its JSON
    with pytest.raises(NotFiniteError, match=r"In step \d.*; reset"):
        lane.make_step()
    lane.change(settings_of(job, TOP))
    with pytest.raises(NotFiniteError):
        lane.make_step()
    assert timeless(lane.start()) == first
    assert lane.make_step().broken is None


def test_the_first_number_that_is_not_finite_is_named(job, lane):
    lane.start()
    name = job.classifier.stages["block2"][0]
    job.classifier.get_parameter(name).data[0] = torch.nan
    record = lane.make_step()
    assert record.broken.startswith("In step 1, the norm of the output of block2 is nan")
    assert record.loss is record.train.loss is record.stages["block2"].output is None
    assert record.stages["block1"].output > 0
    assert {*record.train.probabilities} == {()}
    assert (record.correct, record.train.correct) == (None, 0)


class Own:
    """A plugin's training step."""

    fails = False

    @hookimpl
    def tlf_training_step(self, model, images, labels, loss):
        if self.fails:
            raise ValueError("no images today")
        return 2 * loss(model(images), labels).mean()


def test_a_plugin_makes_the_step_and_one_that_fails_needs_a_reset(job, lane):
    lane.start()
    plain = lane.make_step()
    job.plan.plugins.manager.register(own := Own())
    try:
        assert timeless(lane.start())
        record = lane.make_step()
        assert record.loss == pytest.approx(2 * plain.loss)
        gradient = record.stages["head"].gradient
        assert gradient == pytest.approx(2 * plain.stages["head"].gradient)
        own.fails = True
        with pytest.raises(Exception, match="no images today"):
            lane.make_step()
        with pytest.raises(NotFiniteError, match=r"Step 2 has failed; reset"):
            lane.make_step()
    finally:
        job.plan.plugins.manager.unregister(own)
    lane.start()
    assert timeless(lane.make_step()) == timeless(plain)


@pytest.mark.parametrize("count", [1, 60])
def test_a_backbone_of_any_depth(job, count):
    own = replace(job, classifier=deep(count))
    lane = lane_of(own, settings_of(own, [f"block{count - 1}", "head"]))
    lane.start()
    record = lane.make_step()
    flows = [seen.flow for seen in record.stages.values()]
    assert flows[:-2] == [None] * (count - 1)
    assert all(flows[-2:])
    assert all(seen.output for seen in record.stages.values())


class Tokens(nn.Module):
    """A stage that holds a parameter and no module, and a parameter that nothing uses."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(3))
        self.idle = nn.Parameter(torch.zeros(5))
        self.register_buffer("seen", torch.zeros(1), persistent=False)

    def forward(self, images):
        if self.training:
            self.seen += 1
        return images.mean((2, 3)) + self.shift


def test_a_stage_without_a_module_and_a_parameter_without_use(job):
    own = replace(job, classifier=Classifier(Tokens(), nn.Linear(3, 2), {"a": ("shift", "idle")}))
    lane = lane_of(own, settings_of(own, ["a", "head"]))
    first = timeless(lane.start())
    seen = lane.make_step().stages["a"]
    assert (seen.trains, seen.unused, seen.moved) == (3, 5, 3)
    assert seen.gradient > 0
    assert timeless(lane.start()) == first
    assert own.classifier.backbone.seen == 0


GREY = "[backbone]\nkind = 'timm'\nmodel = 'test_convnext'\nweights = 'none'\nchannels = 1\n"
WEIGHED = """
[loss]
kind = "cross-entropy"
label_smoothing = 0.1
class_weights = "balanced"
"""


@pytest.mark.parametrize(
    ("model", "more", "trains"),
    [
        ("test_vit", "[head]\nkind = 'attention-pool'\n", ["blocks.5", "head"]),
        ("test_resnet", "[head]\nkind = 'cosine'\n", ["stem", "head"]),
        ("test_resnet", WEIGHED, ["layer4", "head"]),
        ("test_convnext", GREY, ["stem", "head"]),
    ],
)
def test_heads_losses_and_grey_images(tmp_path, images, model, more, trains):
    job = opened(tmp_path, images, model, more)
    lane = lane_of(job, settings_of(job, trains))
    first = lane.start()
    record = lane.make_step()
    assert record.broken is None
    assert [stage for stage, seen in record.stages.items() if seen.gradient] == trains
    assert all(seen.unchanged == (s not in trains) for s, seen in record.stages.items())
    assert record.loss > 0
    assert (record.filters is not None) == (trains[0] == "stem")
    assert first.filters


def scaled(job, scale):
    """The job with gradients that are scaled as on a GPU in fp16."""
    accelerator = copy(job.accelerator)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return replace(copied(job), accelerator=accelerator)


def test_in_fp16_gradients_are_those_without_their_scale(job):
    plain = lane_of(copied(job), settings_of(job, TOP))
    lane = lane_of(scaled(job, 2.0**8), plain.settings)
    for _ in range(2):
        expected, record = plain.make_step(), lane.make_step()
        for stage, seen in record.stages.items():
            for name in ("flow", "update"):  # parameters' are unscaled by accelerate, on a GPU only
                wanted = getattr(expected.stages[stage], name)
                near = None if wanted is None else pytest.approx(wanted, rel=1e-6)
                assert getattr(seen, name) == near


def test_a_step_whose_gradients_overflow_in_fp16_is_skipped_and_each_lane_has_its_scale(job):
    own = scaled(job, 2.0**127)
    own = replace(own, loss=lambda logits, labels: 8 * job.loss(logits, labels))
    lane = lane_of(own, settings_of(own, TOP))
    records = [lane.make_step() for _ in range(6)]
    assert [record.skipped for record in records] == [True] * 3 + [False] * 3
    assert [record.stages["head"].moved > 0 for record in records] == [False] * 3 + [True] * 3
    assert all(record.broken is None for record in records)
    assert own.accelerator.scaler.get_scale() == 2.0**127
    lane.start()
    assert lane.make_step().skipped

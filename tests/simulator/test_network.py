"""Records of what was watched: numbers that are not finite, probabilities, filters."""

from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from math import inf, nan

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tlf.model import Classifier
from tlf.simulator.network.filters import filters_of, first_layer, picture
from tlf.simulator.network.finite import first_broken, only_finite
from tlf.simulator.network.images import most_probable
from tlf.simulator.network.stages import differing
from tlf.simulator.observe import copies, tensors_of
from tlf.simulator.records import Measured, StageRecord, Statistics, StepRecord
from tlf.simulator.settings import Settings

STAGE = StageRecord(
    trains=9, rate=0.1, output=1.0, flow=2.0, gradient=3.0, weights=4.0, update=5.0, moved=9,
    unchanged=False, statistics=Statistics(changed=True, drift=0.1),
)  # fmt: skip
STEP = StepRecord(
    2, Settings({}, {}), 0.5, 1, 0.1, {"stem": STAGE, "head": STAGE}, Measured(0.4, 1, (), ()),
    Measured(0.3, 1, (), ()),
)  # fmt: skip


def test_a_finite_record_stays_as_it_is():
    assert only_finite(STEP) == STEP
    without = replace(STAGE, flow=None, gradient=None, update=None, statistics=None)
    assert first_broken(replace(STEP, loss=None, stages={"stem": without})) is None


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"output": nan}, "norm of the output of stem is nan"),
        ({"weights": inf, "gradient": nan}, "norm of the gradient of stem is nan"),
        ({"flow": -inf, "gradient": nan}, "norm of the gradient at the output of stem is -inf"),
        ({"weights": inf}, "norm of the weights of stem is inf"),
        ({"statistics": Statistics(changed=True, drift=nan)}, "drift of the statistics of stem"),
    ],
)
def test_what_broke_first_is_named_and_no_number_that_is_not_finite_is_left(bad, words):
    record = only_finite(replace(STEP, stages={"stem": replace(STAGE, **bad), "head": STAGE}))
    assert record.broken.startswith(f"In step 2, the {words}")
    stem = record.stages["stem"]
    assert all(
        value is None for name, value in vars(stem).items() if name in bad and name != "statistics"
    )
    assert ("statistics" in bad) == (stem.statistics.drift is None)
    assert record.stages["head"] == STAGE


def test_a_gradient_breaks_from_the_head_down_and_a_loss_before_it():
    bad = dict.fromkeys(("stem", "head"), replace(STAGE, gradient=nan))
    assert "gradient of head" in first_broken(replace(STEP, stages=bad))
    assert "the loss is nan" in first_broken(replace(STEP, stages=bad, loss=nan))
    assert first_broken(replace(STEP, stages=bad, skipped=True)) is None  # fp16 lowers its scale
    after = only_finite(replace(STEP, eval=Measured(inf, 0, (), ())))
    assert "the loss of the eval images after it is inf" in after.broken
    assert after.eval.loss is None
    assert "In the network before its first step" in first_broken(replace(STEP, step=0, loss=nan))


def test_five_classes_and_the_labelled_one_are_recorded():
    row = torch.tensor([0.3, 0.02, 0.2, 0.1, 0.15, 0.08, 0.15])
    assert [index for index, _ in most_probable(row, (1,))] == [0, 2, 4, 6, 3, 1]
    assert [index for index, _ in most_probable(row, (0,))] == [0, 2, 4, 6, 3]
    assert most_probable(row.fill_(nan), (1,)) == ()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64, torch.int64])
def test_bits_are_compared(dtype):
    one, other = torch.zeros(2, 3, dtype=dtype), torch.zeros(3, 2, dtype=dtype).T
    assert differing(one, other) == 0
    other[1, 2] = -0.0 if dtype.is_floating_point else 1
    assert differing(one, other) == 1


def shown(text):
    return np.asarray(Image.open(BytesIO(b64decode(text))))


def test_filters_are_tiles_of_one_scale():
    filters = torch.zeros(6, 3, 2, 2)
    filters[1], filters[5, 0] = -2.0, 2.0
    grid = shown(picture(filters, limit=2.0))
    assert grid.shape == (6, 12, 4)  # two rows of four, each with a pixel around
    assert grid[0, 0].tolist() == [128, 128, 128, 255]
    assert grid[0, 3].tolist() == [0, 0, 0, 255]
    assert grid[3, 3].tolist() == [255, 128, 128, 255]
    assert grid[2, 2, 3] == grid[3, 8, 3] == 0  # nothing is there
    assert shown(picture(torch.zeros(16, 1, 32, 32), 1.0)).shape == (68, 68, 4)


def classifier(*layers):
    backbone = nn.Sequential(*layers)
    names = [name for name, _ in backbone.named_parameters()]
    return Classifier(backbone, nn.Linear(2, 2), {"stem": names})


def test_the_first_layer_is_a_convolution_of_images():
    conv = nn.Conv2d(3, 6, 2)
    assert first_layer(classifier(nn.BatchNorm2d(3), conv)) == "backbone.1.weight"
    assert first_layer(classifier(nn.Conv2d(1, 6, 2))) == "backbone.0.weight"
    for other in (nn.Conv2d(4, 6, 2), nn.Conv2d(3, 6, 2, groups=3), nn.Linear(3, 2)):
        model = classifier(other, conv)
        assert first_layer(model) is None
        assert filters_of(model, None, copies(tensors_of(model))) is None


def test_filters_are_recorded_at_the_start_and_where_they_moved():
    model = classifier(nn.Conv2d(3, 6, 2))
    start = copies(tensors_of(model))
    first = filters_of(model, None, start)
    assert first
    assert filters_of(model, start, start) is None
    with torch.no_grad():
        model.backbone[0].weight.mul_(0.5)
    assert (shown(filters_of(model, start, start)) != shown(first)).any()
    with torch.no_grad():
        model.backbone[0].weight.zero_()
    zero = copies(tensors_of(model))
    assert (shown(filters_of(model, None, zero))[0, 0, :3] == 128).all()

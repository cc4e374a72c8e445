"""Heads trained one after the other are what a wide head is, where both can be."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from generators import exhausted
from new_heads import DECAYS, HEAD, new_heads
from tlf.model import restore_tensors
from tlf.runs.run import run
from tlf.studies.learning_rate.deals import Deal, Outcome
from tlf.studies.learning_rate.one_by_one import train_head, train_one_by_one
from tlf.studies.learning_rate.stacked import train_at_once

DEALS = [Deal(0, 0, (0, 3, 4)), Deal(1, 1, (1, 5))]
RATES = (0.05, 0.5)


def outcomes(train, heads, rates=RATES):
    with heads.job.loaders:
        return [e for e in train(heads, DEALS, 0.05, rates) if isinstance(e, Outcome)]


def test_they_are_worth_the_same_as_in_a_wide_head(images, tmp_path):
    heads = new_heads(tmp_path, images, HEAD, (0, 1))
    wide, single = outcomes(train_at_once, heads), outcomes(train_one_by_one, heads)
    for one in single:
        (other,) = [w for w in wide if (w.deal, w.rate) == (one.deal, one.rate)]
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert one.per_image.tolist() == other.per_image.tolist()


def test_early_stopping_and_averages_are_used(images, tmp_path):
    more = "ema = 0.5\nearly_stopping = { patience = 1, min_delta = 1 }\n"
    heads = new_heads(tmp_path, images, HEAD.replace("= 2", "= 9") + more, (0, 1))
    stopped = outcomes(train_one_by_one, heads)
    longer = replace(heads, phase=replace(heads.phase, early_stopping=None))
    plain = replace(heads, phase=replace(heads.phase, ema=None))
    for other in (longer, plain):
        assert [one.loss for one in outcomes(train_one_by_one, other)] != [
            one.loss for one in stopped
        ]


def test_a_rate_that_breaks_off_is_worth_nothing(images, tmp_path):
    heads = new_heads(tmp_path, images, DECAYS, (0, 1))
    found = outcomes(train_one_by_one, heads, (0.05, 1e30))
    assert [one.loss == one.loss for one in found] == [True, False, True, False]


def test_a_head_is_trained_first_as_a_run_trains_it(images, tmp_path):
    heads = new_heads(tmp_path, images, 'monitor = "train_loss"\n' + DECAYS)
    *_, result = run(tmp_path / "recipe.toml")
    with heads.job.loaders:
        finite, _ = exhausted(train_head(heads.job, heads.phase, heads.segment))
    assert finite
    trained = load_file(f"{result.folder}/head.safetensors")
    torch.testing.assert_close(heads.job.classifier.head.weight.data, trained["weight"])
    restore_tensors(heads.job.classifier.head, heads.starts[0])
    for group in heads.segment.optimizer.param_groups:
        group["base_lr"] = 1e30
    with heads.job.loaders:
        assert exhausted(train_head(heads.job, heads.phase, heads.segment))[0] is False

"""The outputs of all stages from one pass."""

import pytest
import torch
from torch import nn

from generators import exhausted
from tlf.checks.plan import plan_to_check
from tlf.data.transforms import center_crop, normalize
from tlf.freezing.find_partition import find_partition
from tlf.freezing.freeze import freeze
from tlf.model import pooled
from tlf.runtime.devices import start_accelerator
from tlf.studies.probe import stage_outputs as module
from tlf.studies.probe.stage_outputs import stage_outputs
from tlf.training.embeddings import train_embeddings
from tlf.training.job import open_job, read_images


@pytest.fixture(scope="module")
def job(images):
    change = [
        "backbone={kind='timm', model='test_resnet', weights='none'}", "transforms.size=32",
        "transforms.resize=32",
    ]  # fmt: skip
    plan = plan_to_check(images, change)
    return exhausted(read_images(open_job(plan, start_accelerator("no"))))[0]


@pytest.fixture(scope="module")
def outputs(job):
    with job.loaders:
        return exhausted(stage_outputs(job))[0]


def test_the_last_is_the_embedding(job, outputs):
    assert [*outputs] == [*job.classifier.stages]
    with job.loaders:
        expected = exhausted(train_embeddings(job))[0]
    torch.testing.assert_close(torch.from_numpy([*outputs.values()][-1]), expected)


def test_a_stage_gives_what_would_be_stored_if_it_were_the_last_frozen_one(job, outputs):
    stage = [*outputs][1]
    names = [name for one in [*outputs][:2] for name in job.classifier.stages[one]]
    freeze(job.classifier, frozenset(names))
    partition = find_partition(job.classifier, frozenset(names), (3, 32, 32), torch.no_grad)
    assert partition.stage == stage
    images = torch.stack([center_crop(job.pixels["train"](i), 32) for i in (0, 7)])
    given = normalize(images, job.preprocessing)
    job.classifier.eval()
    expected = pooled(partition.before(job.classifier, given))
    torch.testing.assert_close(torch.from_numpy(outputs[stage][[0, 7]]), expected)


def test_without_a_cache_they_are_the_same(job, outputs):
    from dataclasses import replace

    with job.loaders:
        again = exhausted(stage_outputs(replace(job, cache=None)))[0]
    for stage, values in outputs.items():
        assert (again[stage] == values).all()


def test_maps_with_channels_last_are_pooled_over_places():
    swin = nn.Module()
    swin.output_fmt = "NHWC"
    assert module._pooled(swin, torch.ones(2, 5, 5, 8)).shape == (2, 8)
    assert module._pooled(nn.Module(), torch.ones(2, 8, 5, 5)).shape == (2, 8)

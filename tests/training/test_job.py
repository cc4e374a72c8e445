"""A recipe's images and model, found and built."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from generators import exhausted
from small import TWO_PHASES, write_recipe
from tlf.data.loader import Loaders
from tlf.errors import PluginError, RecipeError
from tlf.heads import Mlp
from tlf.pretrained.weights import fingerprint
from tlf.recipe.build import OTHER_HEAD
from tlf.recipe.plan import read_plan
from tlf.runtime.devices import start_accelerator
from tlf.training.job import largest_piece, norm_notes, open_job, read_images


def test_images_are_found_and_the_model_is_built(job, images):
    assert job.splits.classes == ("circles", "squares")
    assert {name: len(labels) for name, labels in job.labels.items()} == {"train": 20, "eval": 11}
    by_folder = [int("squares" in str(name)) for name in job.splits.train.names]
    assert job.labels["train"].tolist() == by_folder == [0] * 10 + [1] * 10
    assert job.backbone_sha256 == fingerprint(job.built.module.state_dict())
    assert job.head_sha256 == fingerprint(job.classifier.head.state_dict())
    assert job.classifier.backbone is job.built.module
    pixels = torch.zeros(2, 3, job.preprocessing.size, job.preprocessing.size)
    assert job.classifier.eval()(pixels).shape == (2, 2)
    assert job.manifests == {}


def test_reading_gives_a_digest_of_every_split(job):
    read, _ = exhausted(read_images(job))
    assert {*read.manifests} == {"train", "eval"}
    assert read.manifests["train"] != read.manifests["eval"]
    assert all(len(bytes.fromhex(digest)) == 32 for digest in read.manifests.values())
    assert exhausted(read_images(job))[0].manifests == read.manifests


def test_more_workers_than_the_machine_serves_are_noted(job, changed):
    assert job.notes == ()
    assert changed(replace(job, loaders=Loaders(3, torch.device("cpu"))), workers=3).notes == ()
    (note,) = changed(replace(job, loaders=Loaders(16, torch.device("cpu"))), workers=3000).notes
    assert note.startswith("workers must be at most 16 on this machine, 8 for each core, got 3000")


def test_a_head_that_no_library_has_is_noted(job, changed):
    assert changed(job, head=Mlp()).notes == (OTHER_HEAD,)


@pytest.mark.parametrize(
    ("processes", "accumulate", "largest"),
    [(1, 1, 8), (1, 3, 4), (2, 1, 4), (2, 3, 2), (3, 1, 4), (4, 4, 2), (1, 100, 2)],
)
def test_the_largest_piece_of_a_batch_of_eight(job, changed, processes, accumulate, largest):
    """Its images are dealt in four mirrored pairs."""
    several = replace(job, accelerator=SimpleNamespace(num_processes=processes))
    assert largest_piece(changed(several, accumulate=accumulate)) == largest


def test_a_phase_that_does_not_fit_the_backbone_is_refused_before_an_image_is_read(
    tmp_path, images
):
    path = write_recipe(tmp_path / "recipe.toml", images, TWO_PHASES)
    plan = read_plan(path, ["phases.all.lr={head=0.1, layer9=0.1}"])
    message = r"phases\.1\.lr: the backbone has no stage 'layer9'; .+; lr_matching gives rates to"
    with pytest.raises(RecipeError, match=message):
        open_job(plan, start_accelerator("no"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"accumulate": 3}, ["accumulate = 3: … from pieces of 4 images, not from batches of 8"]),
        (
            {"batchnorm": "local"},
            [
                'batchnorm = "local": … from the images of each process, 4 at once; on another '
                "number of processes, the same recipe is another experiment"
            ],
        ),
        ({"batchnorm": "local", "phases": 1, "accumulate": 2}, []),
    ],
)
def test_a_run_says_where_batchnorm_does_not_see_the_whole_batch(job, changed, changes, expected):
    if "phases" in changes:  # the first phase alone: only the head trains
        changes = {**changes, "phases": job.recipe.phases[:1]}
    several = replace(job, accelerator=SimpleNamespace(num_processes=2))
    notes = norm_notes(changed(several, **changes))
    shown = "BatchNorm takes its statistics"
    assert [*notes] == [line.replace("…", shown) for line in expected]


def test_a_loss_of_the_whole_batch_is_refused_wherever_it_is_used(job):
    scalar = replace(job, loss=lambda logits, labels: logits.sum())
    expected = r"'cross-entropy' .*a loss must give one number for each image, \(3,\) for 3 images"
    with pytest.raises(PluginError, match=expected):
        scalar.losses(torch.zeros(3, 2), torch.tensor([0, 1, 0]))
    with pytest.raises(PluginError, match="got a float"):
        replace(job, loss=lambda *_: 1.0).losses(torch.zeros(1, 2), torch.tensor([0]))


def test_a_negative_loss_is_refused_before_training_and_after_an_evaluation(
    tmp_path, images, monkeypatch, job
):
    monkeypatch.setattr(
        "tlf.builtin.losses.CrossEntropy.build",
        lambda self, counts: lambda logits, labels: -logits.softmax(1)[:, 0],
    )
    path = write_recipe(tmp_path / "recipe.toml", images, TWO_PHASES)
    with pytest.raises(PluginError, match=r"the loss of an image must be 0 or more, got -0\."):
        open_job(read_plan(path), start_accelerator("no"))
    job.check_losses(0.0)
    with pytest.raises(PluginError, match=r"the loss of an image must be 0 or more, got -1\.5"):
        job.check_losses(-1.5)

"""A recipe's images and model, found and built."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from generators import exhausted
from small import TWO_PHASES, write_recipe
from tlf.builtin.losses import CrossEntropy
from tlf.data.loader import Loaders
from tlf.errors import PluginError, RecipeError
from tlf.heads import Mlp
from tlf.pretrained.weights import fingerprint
from tlf.recipe.build import OTHER_HEAD
from tlf.recipe.plan import read_plan
from tlf.runtime.devices import start_accelerator
from tlf.tasks.class_counts import ClassCounts
from tlf.training.job import largest_piece, open_job, read_images


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


def read(tmp_path, root, *overrides):
    """The job of a recipe whose loss depends on the classes, with its images read."""
    path = write_recipe(tmp_path / "recipe.toml", root, TWO_PHASES)
    plan = read_plan(path, [*overrides, "data.bad_images=skip", "cache.mode=off"])
    return exhausted(read_images(open_job(plan, start_accelerator("no"))))[0]


BALANCED = 'loss={kind="cross-entropy", class_weights="balanced", logit_adjustment=1.0}'


def some_losses(job, labels):
    return job.losses(torch.tensor([[0.5, -1.0], [2.0, 0.3]]), labels)


def test_a_loss_and_notes_count_the_images_that_can_be_read(tmp_path, images):
    gone, broken = (Path(shutil.copytree(images, tmp_path / n)) for n in ("gone", "broken"))
    for number in range(9):
        (gone / f"train/circles/{number:03}.jpg").unlink()
        (broken / f"train/circles/{number:03}.jpg").write_bytes(b"broken")
    expected, found = (read(tmp_path, root, BALANCED) for root in (gone, broken))
    assert found.labels["train"].tolist() == expected.labels["train"].tolist() == [0] + [1] * 10
    labels = torch.tensor([0, 1])
    assert torch.equal(some_losses(found, labels), some_losses(expected, labels))
    (unread, told), plain = read(tmp_path, broken).splits.notes, read(tmp_path, gone)
    assert unread.startswith("train: left out 9 of 20 images")
    assert (told,) == plain.splits.notes
    assert told.startswith("the classes are imbalanced: 'circles' has 1 train image, 'squares' has")


def test_a_loss_counts_no_images_that_are_held_out(tmp_path, images):
    root = Path(shutil.copytree(images, tmp_path / "uneven"))
    for number in range(6):
        (root / f"train/circles/{number:03}.jpg").unlink()
    job = read(tmp_path, root, BALANCED, "calibration=0.4")
    counts = [4 - sum(i < 4 for i in job.held_out), 10 - sum(i >= 4 for i in job.held_out)]
    assert counts == [2, 6]  # so that squares are 0.75 of the images, not 10 / 14
    labels = torch.tensor([0, 1])
    expected = CrossEntropy(0.0, "balanced", 1.0).build(ClassCounts(counts))
    logits = torch.tensor([[0.5, -1.0], [2.0, 0.3]])
    assert torch.equal(some_losses(job, labels), expected(logits, labels))


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

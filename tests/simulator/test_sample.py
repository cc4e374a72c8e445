import shutil
from collections import Counter
from dataclasses import replace

import pytest
import torch

from generators import exhausted
from tlf.components import Split, Splits
from tlf.errors import DataError
from tlf.simulator.sample import HeldPixels, first_images, sampled
from tlf.training.features import eval_images, plain_batches


def job_of(simulation, train, evaluated):
    """The job of a simulation with all images of two splits."""
    splits = Splits(train, evaluated, ("circles", "squares"))
    return replace(simulation.job, splits=splits)


def folder(root, split, images=None):
    """A split of a folder, or of these images of it."""
    found = sorted((root / split).rglob("*.jpg"))
    names = [str(path.relative_to(root)) for path in found][:images]
    return Split(names, [int("squares" in name) for name in names], Reading(root, names))


class Reading:
    def __init__(self, root, names):
        self.root, self.names, self.count = root, names, 0

    def __call__(self, index):
        self.count += 1
        return (self.root / self.names[index]).read_bytes()


def test_classes_take_turns_in_both_splits(simulation, images):
    job, _ = exhausted(sampled(job_of(simulation, folder(images, "train"), folder(images, "val"))))
    splits = job.splits
    assert splits.train.labels == [0, 1] * 8
    assert splits.eval.labels == [*[0, 1] * 5, 0]
    assert len({*splits.train.names}) == 16
    assert splits.train.names != sorted(splits.train.names)


def test_every_image_is_decoded_once_and_no_transform_changes_it(simulation, images):
    train = folder(images, "train")
    job, _ = exhausted(sampled(job_of(simulation, train, folder(images, "val"))))
    before = train.read.count
    first = job.pixels["train"](3)
    first.zero_()
    assert job.pixels["train"](3).any()
    assert train.read.count == before


def test_unreadable_images_are_replaced_and_named(simulation, spoilt):
    splits = folder(spoilt, "train"), folder(spoilt, "val")
    job, events = exhausted(sampled(job_of(simulation, *splits)))
    unreadable = {"train/circles/000.jpg", "train/squares/004.jpg"}
    assert not unreadable & {*job.splits.train.names}
    assert Counter(job.splits.train.labels) == {0: 8, 1: 8}
    (note,) = [note for note in job.splits.notes if note.startswith("train")]
    assert note.startswith("train: left out ")
    assert "that cannot be read: train/" in note
    assert "train/circles/000.jpg (the file is empty)" in note
    assert {event.title for event in events} == {"reading train images", "reading eval images"}


def test_a_few_readable_images_are_found_behind_many_that_are_not(simulation, images, tmp_path):
    root = shutil.copytree(images, tmp_path / "bad")
    paths = sorted((root / "train").rglob("*.jpg"))
    for path in paths[:9] + paths[10:19]:
        path.write_bytes(b"no image")
    job, _ = exhausted(sampled(job_of(simulation, folder(root, "train"), folder(root, "val"))))
    assert {*job.splits.train.names} == {"train/circles/009.jpg", "train/squares/009.jpg"}
    (note,) = [note for note in job.splits.notes if note.startswith("train")]
    assert note.startswith("train: left out 18 images")
    assert note.endswith("and 13 more")


@pytest.mark.parametrize("split", ["train", "val"])
def test_no_readable_image_is_an_error(simulation, images, tmp_path, split):
    root = shutil.copytree(images, tmp_path / "bad")
    for path in (root / split).rglob("*.jpg"):
        path.write_bytes(b"no image")
    job = job_of(simulation, folder(root, "train"), folder(root, "val"))
    least = {"train": "train must have at least 2 images", "val": "eval must have at least 1 image"}
    with pytest.raises(DataError) as caught:
        exhausted(sampled(job))
    assert str(caught.value).startswith(f"{least[split]} that can be read, got 0; replace {split}/")


def test_a_class_without_readable_images_is_left_out(simulation, images, tmp_path):
    root = shutil.copytree(images, tmp_path / "bad")
    for path in (root / "train/circles").rglob("*.jpg"):
        path.write_bytes(b"no image")
    job, _ = exhausted(sampled(job_of(simulation, folder(root, "train"), folder(root, "val"))))
    assert {*job.splits.train.labels} == {1}
    assert job.splits.classes == ("circles", "squares")


def test_the_white_of_all_train_images_is_used(simulation, images, tmp_path):
    """Not of those that are shown: a run shows the same."""
    import numpy as np
    from PIL import Image

    names = [f"{n:02}.png" for n in range(40)]
    for n, name in enumerate(names):
        pixels = np.full((40, 40), 100 * n, np.uint16)
        Image.fromarray(pixels).save(tmp_path / name)
    train = Split(names, [0, 1] * 20, Reading(tmp_path, names))
    data = replace(simulation.job.recipe.data, white="auto")
    job = job_of(simulation, train, folder(images, "val"))
    plan = replace(job.plan, recipe=replace(job.recipe, data=data))
    job, _ = exhausted(sampled(replace(job, plan=plan)))
    assert job.preprocessing.white == 3900
    assert "40 images of the train split hold 16-bit values, 0 to 3,900; 3,900 is white" in (
        job.splits.notes
    )
    shown = job.splits.train.names.index(max(job.splits.train.names))
    assert job.pixels["train"](shown).max() == round(
        int(max(job.splits.train.names)[:2]) / 39 * 255
    )


def test_the_first_images_are_the_first_of_both_splits(simulation):
    job = first_images(simulation.job, 3)
    assert job.splits.train.names == simulation.job.splits.train.names[:3]
    assert (len(job.splits.train), len(job.splits.eval)) == (3, 3)
    assert torch.equal(job.pixels["train"](2), simulation.job.pixels["train"](2))
    for each, count in ((job, 3), (simulation.job, 8)):  # they share their loaders
        (batch,) = plain_batches(each, eval_images(each), [range(count)], None)
        assert batch.labels.tolist() == ([0, 1] * 4)[:count]


def test_a_decoded_image_is_a_copy():
    image = torch.ones(1, 2, 2)
    HeldPixels((image,))(0).zero_()
    assert image.all()

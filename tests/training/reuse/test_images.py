"""Images that an earlier job has read are not read again, unless a file was written since."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from generators import exhausted
from small import TWO_PHASES, write_recipe
from tlf.components import Split
from tlf.data.pixel_store import StoredPixels
from tlf.errors import DataError
from tlf.recipe.plan import plan_of, read_plan
from tlf.runtime.devices import start_accelerator
from tlf.training.job import open_job, read_images
from tlf.training.reuse import images


@pytest.fixture
def job(tmp_path, images):
    root = shutil.copytree(images, tmp_path / "images")
    plan = read_plan(write_recipe(tmp_path / "recipe.toml", root, TWO_PHASES), ["cache.mode=off"])
    return exhausted(read_images(open_job(plan, start_accelerator("no"))))[0]


def _next(job, *overrides):
    opened = open_job(plan_of(job.plan, overrides), job.accelerator, [job])
    return exhausted(read_images(opened, [job]))


def test_nothing_is_read_again(job):
    other, events = _next(job, "seed=1", "phases.0.lr=0.2")
    assert events == []
    assert other.read is job.read
    for name in ("manifests", "splits", "preprocessing", "pixels", "unreadable"):
        assert getattr(other, name) == getattr(job, name)


def test_a_split_that_is_not_used_is_hashed_and_not_decoded(job):
    """What was not decoded is no reading that a run could take over."""
    path = next(path for path in sorted((_root(job) / "val").rglob("*.jpg")))
    path.write_bytes(b"no image")
    opened = open_job(job.plan, job.accelerator)
    before, _ = exhausted(read_images(opened, used=("train",)))
    assert before.unreadable == ()
    assert before.manifests["train"] == job.manifests["train"]
    assert before.manifests["eval"] != job.manifests["eval"]
    again, events = exhausted(read_images(opened, [before], used=("train",)))
    assert (again.read, events) == (before.read, [])
    with pytest.raises(DataError, match="not an image in a known format"):
        exhausted(read_images(opened, [before]))


def test_what_depends_on_the_seed_is_found_anew(job):
    one, two = (_next(job, "calibration=0.2", f"seed={seed}")[0] for seed in (1, 2))
    assert one.read is two.read is job.read
    assert one.held_out != two.held_out
    assert one.splits.notes[-1].startswith("4 of 20 train images are held out")


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_file_that_is_written_is_noticed(job, split):
    path = next(path for path in sorted((_root(job) / split).rglob("*.jpg")))
    path.write_bytes(path.read_bytes() + b"\0")
    other, events = _next(job)
    assert events
    assert other.read is not job.read
    assert other.manifests != job.manifests


def test_a_file_that_is_replaced_by_one_of_the_same_size_and_time_is_noticed(job):
    path = next(iter(sorted(_root(job).rglob("*.jpg"))))
    before, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-3] + b"\0" + data[-2:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _next(job)[0].manifests != job.manifests


def test_what_another_process_has_to_read_again_all_do(job, monkeypatch):
    monkeypatch.setattr(images, "gathered", lambda own: [own, False])
    other, events = _next(job)
    assert events
    assert other.read is not job.read


def test_an_image_that_is_new_is_noticed(job):
    path = next(iter(sorted((_root(job) / "train").rglob("*.jpg"))))
    shutil.copy(path, path.with_name("new.jpg"))
    assert len(_next(job)[0].splits.train) == 21


@pytest.mark.parametrize(
    "override", ["transforms.resize=40", "data.bad_images=skip", "cache.mode=auto"]
)
def test_other_settings_read_them_again(job, override):
    assert _next(job, override)[0].read is not job.read


def test_a_run_notices_at_its_end_that_files_have_changed(job):
    assert images.written_since(job) == ()
    path = next((_root(job) / "train").rglob("*.jpg"))
    path.write_bytes(path.read_bytes())
    (sentence,) = images.written_since(job)
    assert sentence.startswith("files of images have changed since the run read and hashed them")
    pixels = {name: StoredPixels(None, None, None, None) for name in job.pixels}
    assert images.written_since(replace(job, pixels=pixels)) == ()  # nothing was decoded anew


def test_images_that_are_no_files_are_read_again(job):
    def memory(split):
        return Split(
            split.names, split.labels, list(map(split.read, range(len(split)))).__getitem__
        )

    splits = job.read.listed
    plan = replace(
        job.plan, splits=replace(splits, train=memory(splits.train), eval=memory(splits.eval))
    )
    first = exhausted(read_images(open_job(plan, job.accelerator)))[0]
    assert first.read.stamps is None
    second = exhausted(read_images(open_job(plan, job.accelerator, [first]), [first]))[0]
    assert second.read is not first.read


def _root(job):
    """The folder of its images."""
    return Path(job.recipe.data.dataset.root)

"""What has changed between the start of a run and its resuming."""

import json
import shutil
from dataclasses import replace

import pytest

from stopped_runs import stop_after, write
from tlf.errors import RunError
from tlf.recipe.plan import read_plan
from tlf.runs.run import resume
from tlf.runtime.devices import start_accelerator
from tlf.training.checkpoint.changes import check_unchanged
from tlf.training.job import open_job


def reopened(folder, *overrides):
    """The job of a run with the same images, and perhaps another recipe."""
    job = open_job(read_plan(folder / "recipe.toml", overrides), start_accelerator("no"))
    manifests = json.loads((folder / "provenance.json").read_text())["data_sha256"]
    return replace(job, manifests=manifests)


def test_a_run_as_it_was_started_is_accepted(finished):
    check_unchanged(finished, reopened(finished))


def test_keys_that_do_not_change_the_result_are_free(finished):
    free = ("output=elsewhere", "workers=1", "checkpoint_every={updates=3}", 'cache.mode="off"',
            "cache.max_gb=3", "cache.dir=elsewhere")  # fmt: skip
    check_unchanged(finished, reopened(finished, *free))


def test_every_difference_is_named(finished):
    job = reopened(finished, "phases.all.lr=0.5", "batch_size=4", "phases.head.ema=0.5")
    job = replace(job, manifests={**job.manifests, "eval": "0" * 64})
    with pytest.raises(RunError) as caught:
        check_unchanged(finished, job)
    assert str(caught.value).splitlines() == [
        f"the run in {finished} cannot be resumed as it was started:",
        "  batch_size was 8 and is 4",
        "  phases.0.ema was not set and is 0.5",
        "  phases.1.lr was 0.01 and is 0.5",
        "  the images of the eval split, their names or their labels have changed",
        "undo the changes, or resume with them: --changed",
    ]


def test_changed_images_are_refused(tmp_path, drawn):
    root = drawn(tmp_path / "images", 4, 2)
    path, output = write(tmp_path, root)
    stop_after(path, 4)
    images = sorted((root / "train" / "circles").iterdir())
    shutil.copyfile(images[1], images[0])
    with pytest.raises(RunError, match="the images of the train split"):
        list(resume(output))


@pytest.mark.parametrize(
    "content",
    ['{"format": 2}', '{"format": 2, "data_sha256": null}', '{"format": 2, "data_sha256": {}}',
     '{"format": 2, "data_sha256": []}', "[]", "null", "{"],
)  # fmt: skip
def test_damaged_provenance_is_named(run_copy, content):
    job = reopened(run_copy)
    (run_copy / "provenance.json").write_text(content)
    with pytest.raises(RunError, match=r"provenance\.json .*is damaged: .*; start a new run"):
        check_unchanged(run_copy, job)


@pytest.mark.parametrize("content", [b"batch_size = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_damaged_recipe_is_named(run_copy, content):
    job = reopened(run_copy)
    (run_copy / "recipe.toml").write_bytes(content)
    with pytest.raises(RunError, match=r"recipe\.toml .*is damaged: .*; start a new run"):
        check_unchanged(run_copy, job)

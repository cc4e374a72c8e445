"""What has changed between the start of a run and its resuming."""

import json
import shutil
from dataclasses import replace

import pytest

from stopped_runs import HEAD_ALONE, stop_after, write
from tlf.data.fixes_file import Fix, write_fixes
from tlf.errors import DataError, RunError
from tlf.evaluation.evaluate import evaluate
from tlf.events import Notice
from tlf.inference.tables.groups import read_groups
from tlf.recipe.plan import read_plan
from tlf.runs.changes import check_allowed, find_changes
from tlf.runs.identity import differences, job_identity
from tlf.runs.resume import resume
from tlf.runtime.devices import start_accelerator
from tlf.training.job import open_job


def reopened(folder, *overrides):
    """The job of a run with the same images, and perhaps another recipe."""
    job = open_job(read_plan(folder / "recipe.toml", overrides), start_accelerator("no"))
    manifests = json.loads((folder / "provenance.json").read_text())["data_sha256"]
    return replace(job, manifests=manifests)


def refused(folder, changes, **options):
    with pytest.raises(RunError) as caught:
        check_allowed(folder, changes, **options)
    return str(caught.value).splitlines()


def edit(path, change):
    """Change the JSON value in a file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_run_as_it_was_started_is_accepted(finished):
    changes = find_changes(finished, reopened(finished))
    assert (changes.sentences, changes.notes) == ((), ())
    check_allowed(finished, changes)


def test_keys_that_do_not_change_the_result_are_free(finished):
    free = ("output=elsewhere", "workers=1", "checkpoint_every={updates=3}", 'cache.mode="off"',
            "cache.max_gb=3", "cache.dir=elsewhere", "keep_state=false")  # fmt: skip
    assert find_changes(finished, reopened(finished, *free)).sentences == ()


def test_images_that_were_moved_are_the_same_images(finished, images, tmp_path):
    """So is a run of relative paths that is resumed with absolute ones."""
    shutil.copytree(images, tmp_path / "moved")
    job = reopened(finished, f"data.root={tmp_path / 'moved'}")
    changes = find_changes(finished, job)
    moved = f"data.root was {images} and is {tmp_path / 'moved'}: it is the same"
    assert (changes.sentences, changes.notes) == ((), (moved,))
    job = replace(job, manifests={**job.manifests, "train": "0" * 64})
    assert find_changes(finished, job).sentences == (
        f"data.root was {images} and is {tmp_path / 'moved'}",
        "the images of the train split, their names or their labels changed",
    )


def test_other_test_images_are_noticed(finished):
    job = reopened(finished)
    first, second = (
        {"recipe": "", **job_identity(replace(job, splits=replace(job.splits, test=test)))}
        for test in (job.splits.eval, replace(job.splits.eval, names=["x"] * 11))
    )
    assert [found.since() for found in differences(first, second, ())] == [
        "the images of the test split, their names or their labels changed"
    ]
    assert "test_sha256" not in job_identity(job)


def test_renamed_classes_are_noticed(finished):
    job = reopened(finished)
    job = replace(job, splits=replace(job.splits, classes=("rings", "squares")))
    assert find_changes(finished, job).sentences == (
        "the list of classes was circles, squares and is rings, squares",
    )


def test_every_difference_is_named(run_copy):
    path = run_copy / "recipe.toml"
    path.write_text(path.read_text().replace('name = "head"', 'name = "head"\nema = 0.5'))
    job = reopened(run_copy, "phases.all.lr=0.5", "batch_size=4")
    job = replace(job, manifests={**job.manifests, "eval": "0" * 64}, backbone_sha256="1" * 64)
    edited = [
        "  batch_size was 8 and is 4",
        "  phases.1.lr was 0.01 and is 0.5",
        "  phases.0.ema was not set and is 0.5",
    ]
    others = [
        "  the weights of the backbone changed",
        "  the images of the eval split, their names or their labels changed",
    ]
    title = f"the run in {run_copy} cannot be resumed as it was started:"
    record = (
        "recipe.toml in the run's folder is a record: undo the edit, and write changes after the "
        f"run, such as tlf resume {run_copy} batch_size=4"
    )
    undo = "undo the changes, or resume with them: --changed"
    changes = find_changes(run_copy, job)
    assert refused(run_copy, changes) == [title, *edited, *others, record, undo]
    assert refused(run_copy, changes, changed=True) == [title, *edited, record]
    given = ["batch_size=4", "phases.all.lr=0.5", "phases.0.ema=0.5"]
    changes = find_changes(run_copy, job, given)
    assert refused(run_copy, changes) == [title, *others, undo]
    check_allowed(run_copy, changes, changed=True)
    assert changes.sentences == tuple(line.strip() for line in (*edited, *others))


def test_versions_and_code_are_compared(run_copy):
    def older(provenance):
        provenance["versions"]["torch"] = "2.0"
        provenance["plugins"][0]["sha256"] = "0" * 64
        provenance["precision"] = "bf16"

    now = json.loads((run_copy / "provenance.json").read_text())["versions"]["torch"]
    edit(run_copy / "provenance.json", older)
    assert find_changes(run_copy, reopened(run_copy)).sentences == (
        f"the version of torch was 2.0 and is {now}",
        "the code of tlf changed",
        "the precision was bf16 and is no",
    )


def test_an_edited_recipe_in_the_folder_of_a_run_is_noticed(run_copy):
    path = run_copy / "recipe.toml"
    path.write_text(path.read_text().replace("lr = 0.01", "lr = 0.02"))
    assert find_changes(run_copy, reopened(run_copy)).sentences == (
        "phases.1.lr was 0.01 and is 0.02",
    )


def test_options_that_a_newer_tlf_has_added_are_no_changes(run_copy):
    """Neither the record nor recipe.toml of a run of an older one has them."""
    path = run_copy / "recipe.toml"
    new = ('calibration = "eval"\n', "coverage = 0.9\n", "dropout = 0.0\n")
    older = path.read_text()
    for line in new:
        assert line in older
        older = older.replace(line, "")
    path.write_text(older)
    edit(run_copy / "provenance.json", lambda provenance: provenance.update(recipe=older))
    assert find_changes(run_copy, reopened(run_copy)).sentences == ()
    job = reopened(run_copy, "coverage=0.8")
    assert find_changes(run_copy, job, ["coverage=0.8"]).sentences == (
        "coverage was not set and is 0.8",
    )


def test_a_run_of_an_older_tlf_is_compared_in_what_it_recorded(run_copy):
    """Its recipe is in recipe.toml alone."""

    def without_hashes(provenance):
        del provenance["recipe"], provenance["precision"], provenance["plugins"][0]["sha256"]

    edit(run_copy / "provenance.json", without_hashes)
    changes = find_changes(run_copy, reopened(run_copy, "batch_size=4"))
    assert changes.sentences == ("batch_size was 8 and is 4",)
    assert changes.notes[0].startswith("an older tlf started this run and recorded no hashes")


@pytest.mark.parametrize("damage", [
    {"plugins": 3}, {"plugins": [3]}, {"plugins": [{"version": "1"}]}, {"versions": []},
    {"recipe": "a = "}, {"recipe": 1}, {"data_sha256": "x"}, {"earlier": 5},
])  # fmt: skip
def test_damaged_provenance_is_reported(run_copy, damage):
    job = reopened(run_copy)
    edit(run_copy / "provenance.json", lambda provenance: provenance.update(damage))
    with pytest.raises(
        RunError, match=r"provenance\.json or recipe\.toml in .* is damaged: .*; start"
    ):
        find_changes(run_copy, job)


def test_changed_images_are_refused(tmp_path, drawn):
    root = drawn(tmp_path / "images", 4, 2)
    path, output = write(tmp_path, root)
    stop_after(path, 4)
    images = sorted((root / "train" / "circles").iterdir())
    shutil.copyfile(images[1], images[0])
    with pytest.raises(RunError, match="the images of the train split"):
        list(resume(output))


def test_other_fixes_are_other_labels(tmp_path, images):
    fixes, wrong = tmp_path / "fixes.csv", Fix("train", "train/circles/000.jpg", "circles")
    write_fixes(fixes, [replace(wrong, new_label="squares")])
    data = f'[data]\nkind = "folder"\nroot = "{images}"\nfixes = "{fixes}"\n'
    path, output = write(tmp_path, images, text=HEAD_ALONE + data)
    stop_after(path, 2)
    record = json.loads((output / "provenance.json").read_text())
    assert record["notes"] == [f"{fixes} corrects 1 label (train 1)"]
    assert f'fixes = "{fixes}"' in (output / "recipe.toml").read_text()
    write_fixes(fixes, [replace(wrong, leave_out="yes")])
    with pytest.raises(
        RunError, match="the images of the train split, their names or their labels"
    ):
        list(resume(output))
    fixes.unlink()
    with pytest.raises(DataError, match=r"^cannot read .*fixes\.csv: .*; set data\.fixes$"):
        list(resume(output))


def test_what_changed_is_recorded_and_the_next_resume_continues_with_it(tmp_path, images):
    path, output = write(tmp_path, images)
    stop_after(path, 12)
    before = json.loads((output / "provenance.json").read_text())
    notes = []
    for event in resume(output, ["phases.thaw.lr=0.001"]):
        notes += [event.text] if isinstance(event, Notice) else []
        if len(notes) and not isinstance(event, Notice):
            break
    change, norms = notes
    assert change == "phases.1.lr was 0.003 and is 0.001"
    assert norms.startswith("accumulate = 2: BatchNorm takes its statistics from pieces")
    after = json.loads((output / "provenance.json").read_text())
    assert after["earlier"] == [before]
    assert (after["changes"], after["after_epochs"]) == ([change], 2)
    assert read_plan(output / "recipe.toml").recipe.phases[1].lr == 0.001
    for event in resume(output, ["clip_grad_norm=0.5"]):
        if isinstance(event, Notice):
            break
    third = json.loads((output / "provenance.json").read_text())
    assert [chapter["recipe_sha256"] for chapter in third["earlier"]] == [
        before["recipe_sha256"], after["recipe_sha256"]
    ]  # fmt: skip
    assert "earlier" not in third["earlier"][1]
    *_, result = resume(output)
    assert {line.lr for line in result.history if line.phase == "thaw"} != {0.003}


def test_groups_that_the_recipe_no_longer_has_go(tmp_path, images):
    path, output = write(tmp_path, images, text=HEAD_ALONE)
    line = "group = '^(.*)[.]jpg'\n"
    path.write_text(path.read_text().replace("[data]\n", f"[data]\n{line}", 1))
    stop_after(path, 4)
    assert len(read_groups(output)) == 11
    *_, result = resume(output, [f"data={{kind='folder',root='{images}'}}"], changed=True)
    assert read_plan(output / "recipe.toml").recipe.data.group is None
    assert read_groups(output) is None
    assert evaluate(result.folder).evaluation.groups is None


def test_nothing_is_recorded_where_nothing_changed(tmp_path, images):
    path, output = write(tmp_path, images)
    stop_after(path, 4)
    before = (output / "provenance.json").read_bytes(), (output / "recipe.toml").read_bytes()
    next(resume(output, ["workers=1"]))
    assert before == (
        (output / "provenance.json").read_bytes(),
        (output / "recipe.toml").read_bytes(),
    )


def test_the_identity_of_a_run_is_in_its_provenance(finished):
    recorded = json.loads((finished / "provenance.json").read_text())
    now = job_identity(reopened(finished))
    assert [*differences(recorded, now, ())] == []
    assert recorded["plugins"][0].keys() == {"name", "distribution", "version", "sha256"}

import shutil
from dataclasses import replace

import pytest

from tlf.checks.findings import ImageRef
from tlf.inference.predictions import read_predictions
from tlf.recipe.plan import find_splits, read_plan
from tlf.reports.ranking import featured, listed
from tlf.reports.run_images import images_of
from tlf.reports.run_report import record_of


def images_of_run(run, *, embed):
    """The images of a run, without the events."""
    predicted = read_predictions(run / "predictions.csv")
    steps = images_of(
        record_of(run), predicted, featured(predicted, listed(predicted)), embed=embed
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_images_are_found_by_the_runs_recipe(finished, images):
    found = images_of_run(finished, embed=False)
    name = read_predictions(finished / "predictions.csv").names[3]
    assert found.read(3) == (images / name).read_bytes()
    assert (found.neighbours, found.missing) == ({}, ())


def test_the_nearest_training_images_of_each_image(finished, images):
    found = images_of_run(finished, embed=True)
    assert found.missing == ()
    assert len(found.neighbours) == 11
    assert found.findings.images == {"train": 20, "eval": 11}
    some = ImageRef("train", 3, "", "")
    assert found.read_found(some) in {path.read_bytes() for path in images.rglob("*.jpg")}
    first, *_ = found.neighbours[0]
    assert (images / first.name).read_bytes() == first.read()
    assert first.name.startswith(f"train/{first.label}/")
    of_train = ImageRef("train", 0, first.name, first.label)
    splits = find_splits(read_plan(finished / "recipe.toml"))
    assert found.read_found(of_train) == splits.train.read(0)
    assert found.read_found(replace(of_train, split="eval", index=3)) == found.read(3)
    assert all(near[0].similarity >= near[-1].similarity for near in found.neighbours.values())


@pytest.mark.parametrize("embed", [False, True])
def test_images_that_are_gone_are_said_to_be_missing(run_copy, tmp_path, embed):
    recipe = run_copy / "recipe.toml"
    text = recipe.read_text()
    root = text.split('root = "')[1].split('"')[0]
    recipe.write_text(text.replace(root, str(tmp_path / "gone")))
    found = images_of_run(run_copy, embed=embed)
    assert found.read is None
    (why,) = found.missing
    assert why.startswith("Images are not shown: ")
    assert "gone" in why


def test_images_that_were_renamed_are_said_to_be_missing(run_copy, images, tmp_path):
    moved = shutil.copytree(images, tmp_path / "moved")
    (moved / "val" / "circles" / "odd.jpg").rename(moved / "val" / "circles" / "even.jpg")
    recipe = run_copy / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(str(images), str(moved)))
    (why,) = images_of_run(run_copy, embed=False).missing
    assert why.startswith("Images are not shown: 1 of the 11 images")


def test_without_the_model_there_are_images_and_no_neighbours(run_copy):
    (run_copy / "model.safetensors").unlink()
    found = images_of_run(run_copy, embed=True)
    assert found.read is not None
    (why,) = found.missing
    assert why.startswith("The nearest train images are not shown: the run in ")


def test_images_that_have_changed_are_said_to_have(run_copy):
    provenance = run_copy / "provenance.json"
    provenance.write_text(provenance.read_text().replace('"eval": "', '"eval": "0'))
    (why,) = images_of_run(run_copy, embed=True).missing
    assert why.startswith("The images have changed since the run")

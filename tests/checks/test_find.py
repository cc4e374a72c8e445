"""Everything together: drawn images with planted faults, and the starter set itself."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from generators import exhausted
from small import write_recipe
from tlf.cache.store import open_cache
from tlf.checks import find as module
from tlf.checks.check import embedded_splits
from tlf.checks.find import find, findings_of, stored_findings
from tlf.checks.findings import ImageRef
from tlf.data.inspection.readable import Unreadable
from tlf.data.listing.compact import Groups
from tlf.errors import NotFiniteError
from tlf.recipe.plan import read_plan
from tlf.runs.record import opened
from tlf.training.embeddings import embeddings

HEAD_ONLY = '[[phases]]\nname = "head"\nfreeze = "backbone"\nepochs = 1\nlr = 0.1\n'


def embedded(recipe, *overrides):
    job, _ = exhausted(opened(read_plan(recipe, overrides)))
    with job.loaders:
        return embedded_splits(job, exhausted(embeddings(job))[0])


@pytest.fixture(scope="module")
def planted(tmp_path_factory, images):
    """Drawn images, embedded: a copy of bytes, a mirrored copy with another label, a large image,
    and a class of two images.
    """
    folder = tmp_path_factory.mktemp("planted")
    root = shutil.copytree(images, folder / "images")
    train, evaluated = root / "train", root / "val"
    shutil.copy(train / "circles/003.jpg", evaluated / "circles/copied.jpg")
    with Image.open(train / "squares/005.jpg") as image:
        ImageOps.mirror(image).save(evaluated / "circles/mirrored.jpg")
    Image.effect_noise((900, 900), 60).save(train / "squares/large.jpg")
    for place in (train, evaluated):
        (place / "few").mkdir()
        Image.effect_noise((50, 50), 90).save(place / "few/one.png")
    recipe = write_recipe(folder / "recipe.toml", root, f"cache.dir = '{folder}/c'\n{HEAD_ONLY}")
    return embedded(recipe)


@pytest.fixture(scope="module")
def findings(planted):
    return exhausted(find(planted))[0]


def test_images_are_counted(findings):
    assert findings.images == {"train": 22, "eval": 14}
    assert findings.class_counts["train"] == {"circles": 10, "few": 1, "squares": 11}


def test_copies_are_found_in_both_splits(findings):
    leaks = {tuple(image.name for image in group.images): group for group in findings.leaks}
    copied = leaks["train/circles/003.jpg", "val/circles/copied.jpg"]
    assert (copied.exact, copied.similarity, copied.across_classes) == (True, 1.0, False)
    mirrored = leaks["train/squares/005.jpg", "val/circles/mirrored.jpg"]
    assert (mirrored.exact, mirrored.across_classes) == (False, True)
    assert mirrored.similarity > 0.9


def test_an_odd_size_is_found(findings):
    (odd,) = findings.odd_sizes
    assert (odd.image.name, odd.width, odd.height) == ("train/squares/large.jpg", 900, 900)


def test_a_class_of_few_images_is_not_judged(findings):
    assert findings.notes == ("labels of 'few' were not judged: a class needs 5 different images",)
    assert "few" not in {suspect.image.label for suspect in findings.suspects}


@pytest.mark.parametrize("both", [False, True])
def test_images_of_one_group_are_held_out_together(planted, monkeypatch, both):
    seen = {}
    splits = planted.splits
    first, second = (
        Groups("even" if n % 2 == 0 else f"{name} {n}" for n in range(len(split)))
        for name, split in (("train", splits.train), ("eval", splits.eval))
    )
    train = replace(splits.train, groups=first)
    half = replace(planted, splits=replace(splits, train=train))
    whole = replace(half, splits=replace(half.splits, eval=replace(splits.eval, groups=second)))
    judge = module.out_of_fold
    monkeypatch.setattr(
        module, "out_of_fold", lambda *given: seen.update(groups=given[2]) or judge(*given)
    )
    exhausted(find(whole if both else half))
    judged = [
        (place, n) for place, split in enumerate((splits.train, splits.eval))
        for n, label in enumerate(split.labels) if splits.classes[label] != "few"
    ]  # fmt: skip
    even = [
        {group for group, (at, n) in zip(seen["groups"], judged, strict=True)
         if n % 2 == 0 and at == place} for place in (0, 1)
    ]  # fmt: skip
    assert len(even[0]) == 1
    assert (even[1] == even[0]) == both
    assert len({*seen["groups"]}) > 5
    keys = [module._key(one) for one in (planted, half, whole)]
    assert all(keys[one] != keys[other] for one, other in ((0, 1), (0, 2), (1, 2)))


def test_suspects_have_neighbours(planted):
    """Embeddings that follow the true classes, and one label that does not."""
    splits = planted.splits
    labels = np.array([*splits.train.labels, *splits.eval.labels])
    noise = np.random.default_rng(0).normal(0, 0.03, (36, 96))
    rows = (np.eye(96)[labels] + noise).astype(np.float32)
    rows[1] = rows[-1]  # the second circle looks like the last square
    found = replace(planted, train=rows[:22], eval=rows[22:])
    suspect = exhausted(find(found))[0].suspects[0]
    assert suspect.image == ImageRef("train", 1, "train/circles/001.jpg", "circles")
    assert suspect.proposed == "squares"
    assert suspect.own_probability < suspect.proposed_probability
    assert [image.label for image in suspect.neighbours] == ["squares"] * 3
    assert suspect.neighbours[0].name == splits.eval.names[-1]


def test_reading_is_reported_and_the_result_repeats(planted, findings):
    again, events = exhausted(find(planted))
    assert again == findings
    assert [event.done for event in events if event.title == "looking at eval images"][-1] == 14


def test_what_an_earlier_check_has_found_is_complete(planted, tmp_path):
    cache = open_cache(tmp_path / "cache")
    damaged = Unreadable("train", "few/two.png", "few", "not an image")
    left_out = replace(planted, unreadable=(damaged,))
    assert exhausted(stored_findings(left_out, cache))[0] is None
    found, _ = exhausted(findings_of(left_out, cache))
    again, told = exhausted(stored_findings(left_out, cache))
    assert again == found
    assert again.unreadable == (("train", "few/two.png", "not an image"),)
    assert [event.reused for event in told] == [True]


def test_features_that_are_not_finite_stop_it(planted):
    spoilt = planted.eval.copy()
    spoilt[3, 2] = np.nan
    with pytest.raises(NotFiniteError, match=f"1 of 36 images.*{planted.splits.eval.names[3]}"):
        exhausted(find(replace(planted, eval=spoilt)))


@pytest.mark.slow
def test_the_starter_set_has_no_leak(tmp_path):
    """Its own splits, by the ResNet-18 that comes with tlf."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'output = "{tmp_path}/run"\ndata = {{ kind = "starter" }}\n'
        'backbone = { kind = "torchvision", model = "resnet18", weights = "starter" }\n' + HEAD_ONLY
    )
    findings, _ = exhausted(find(embedded(recipe)))
    assert findings.images["eval"] > 0
    assert findings.leaks == ()
    assert findings.duplicates == ()
    assert findings.odd_sizes == ()

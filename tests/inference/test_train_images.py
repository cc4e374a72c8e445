"""Train images as embeddings: similarities, the threshold of false alarms, and their file."""

import pickle
import re
import shutil
import subprocess
import sys
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load

from generators import exhausted
from places import ROOT
from small import write_recipe
from tlf.errors import RunError, WeightsError
from tlf.events import PhaseEnded, Updated
from tlf.exports.export import export
from tlf.inference.head import load_head
from tlf.inference.metadata import MissingTrainImagesWarning
from tlf.inference.predict import load_classifier, predict
from tlf.inference.sealed_file import read_sealed, write_sealed
from tlf.inference.train_images import (
    FALSE_ALARMS,
    load_train_images,
    save_train_images,
    train_images,
    unit,
)
from tlf.results import EpochResult
from tlf.runs.finished import open_finished
from tlf.runs.resume import resume
from tlf.runs.run import run
from tlf.runtime.seal import digest
from tlf.training.checkpoint.state_file import remove_model
from tlf.training.embeddings import embeddings


def vectors(count, seed=0, features=16):
    return torch.randn(count, features, generator=torch.Generator().manual_seed(seed)) + 1


def made(count=30, held_out=100):
    names = [f"train/{place}.jpg" for place in range(count)]
    return train_images(names, ["ant", "bee"] * (count // 2), vectors(count), vectors(held_out, 1))


def cosines(one, other):
    one, other = one.numpy().astype(np.float64), other.numpy().astype(np.float64)
    one, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (one, other))
    return one @ other.T


def test_nothing_is_more_similar_than_the_same():
    images = made()
    similarities = images.similarities(vectors(30))
    assert similarities.max() > 1  # rounded to float16
    found = images.nearest(similarities, 1)
    assert [near.name for (near,) in found] == list(images.names)
    assert max(near.similarity for (near,) in found) == 1


def test_similarities_are_cosines():
    images, asked = made(), vectors(7, 2)
    found = images.similarities(5 * asked)
    np.testing.assert_allclose(found, cosines(asked, vectors(30)), atol=1e-3)  # float16
    near = images.nearest(found, 3)
    expected = np.argsort(-found.numpy(), 1)[:, :3]
    assert [[one.name for one in row] for row in near] == [
        [f"train/{place}.jpg" for place in row] for row in expected
    ]
    assert near[0][0].similarity == pytest.approx(found[0].max().item())
    assert near[0][0].label == ["ant", "bee"][expected[0, 0] % 2]
    assert images.nearest(found, 0) == [()] * 7
    assert len(images.nearest(found, 99)[0]) == 30


@pytest.mark.parametrize("held_out", [19, 20, 100, 153])
def test_the_threshold_leaves_at_most_the_false_alarms_below(held_out):
    images = made(held_out=held_out)
    best = np.sort(cosines(vectors(held_out, 1), vectors(30)).max(1))[::-1]
    place = ceil(round((held_out + 1) * (1 - FALSE_ALARMS), 9))
    assert images.threshold == pytest.approx(best[place - 1], abs=1e-3)
    assert images.measured == held_out
    alone = images.unlike(images.similarities(vectors(held_out, 1)))
    assert sum(alone) <= FALSE_ALARMS * held_out
    assert images.unlike(images.similarities(-vectors(5))) == [True] * 5


def test_of_too_few_eval_images_nothing_is_known():
    images = made(held_out=18)
    assert images.threshold is None
    assert images.unlike(images.similarities(vectors(2))) == [None, None]
    assert len(images.nearest(images.similarities(vectors(2)), 3)[1]) == 3


def test_features_of_zeros_are_like_nothing():
    images = made()
    assert images.unlike(images.similarities(torch.zeros(1, 16))) == [True]


def test_the_file_comes_back_and_only_for_its_head(tmp_path):
    path, images = tmp_path / "unlike.safetensors", made()
    sha256 = save_train_images(path, images, "0.1.0")
    found = load_train_images(path, sha256)
    assert torch.equal(found.embeddings, images.embeddings)
    assert found.embeddings.dtype == torch.float16
    assert (found.names, found.labels, found.threshold, found.measured) == (
        images.names, images.labels, images.threshold, images.measured
    )  # fmt: skip
    with pytest.raises(WeightsError, match="must be the file that was written with the model"):
        load_train_images(path, "0" * 64)
    again = tmp_path / "again.safetensors"
    assert save_train_images(again, images, "0.1.0") == sha256
    assert again.read_bytes() == path.read_bytes()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="is damaged"):
        load_train_images(path, sha256)
    path.unlink()
    with pytest.raises(RunError, match="there is no"):
        load_train_images(path, sha256)


@pytest.mark.parametrize("change", [{"names": ["a"]}, {"labels": 7}, {"threshold": "high"}, None])
def test_a_forged_file_is_refused(tmp_path, change):
    path = tmp_path / "unlike.safetensors"
    save_train_images(path, made(), "0.1.0")
    about, data = read_sealed(path)
    tensors = load(data)
    if change is None:
        tensors = {"other": torch.ones(1)}
    write_sealed(path, tensors, about | (change or {}))
    with pytest.raises(WeightsError, match="is not a whole file of train images"):
        load_train_images(path, digest(path.read_bytes()))


HEAD_ONLY = '[[phases]]\nname = "head"\nfreeze = "backbone"\nepochs = 1\nlr = 0.1\n'
TRAINED = '[[phases]]\nname = "all"\nepochs = 1\nlr = 0.01\n'


@pytest.fixture(scope="module")
def frozen(tmp_path_factory, drawn):
    """A run with a frozen backbone, 20 eval images, and its recipe. Nobody may change it."""
    folder = tmp_path_factory.mktemp("frozen")
    images = drawn(folder / "images", 5, 10)
    recipe = write_recipe(folder / "recipe.toml", images, HEAD_ONLY)
    *_, result = run(recipe)
    return recipe, images, Path(result.folder)


def test_a_run_with_a_frozen_backbone_stores_its_train_images(frozen):
    folder = frozen[2]
    found = load_classifier(folder, unlike=True).train_images
    job, _ = exhausted(open_finished(folder))
    assert found.names == job.splits.train.names
    assert found.labels == ("circles",) * 5 + ("squares",) * 5
    with job.loaders:
        embedded, _ = exhausted(embeddings(job))
    assert torch.equal(found.embeddings, unit(embedded.train).half())
    assert found.measured == 20
    best = np.sort(cosines(embedded.eval, embedded.train).max(1))
    assert found.threshold == pytest.approx(best[0], abs=1e-3)  # one of 21 may be below
    assert load_classifier(folder).train_images is None


def test_predictions_name_the_nearest_train_images(frozen):
    _, images, folder = frozen
    path = images / "train/circles/003.jpg"
    classifier = load_classifier(folder, nearest=3)
    found, plain = classifier.predict(path), load_classifier(folder).predict(path)
    assert found.nearest[0].name == "train/circles/003.jpg"
    assert found.nearest[0].similarity == pytest.approx(1, abs=2e-3)
    assert (len(found.nearest), found.unlike) == (3, False)
    assert found.probabilities == plain.probabilities
    assert (plain.nearest, plain.unlike) == ((), None)
    assert pickle.loads(pickle.dumps(classifier)).predict(path) == found


@pytest.mark.parametrize(
    ("phases", "options", "stored"),
    [
        pytest.param(HEAD_ONLY, ["unlike=false"], False, marks=pytest.mark.slow),
        (HEAD_ONLY, ['transforms.augment=["crop-flip"]'], False),
        pytest.param(HEAD_ONLY, ["cache.mode=off"], False, marks=pytest.mark.slow),
        pytest.param(TRAINED, [], False, marks=pytest.mark.slow),
        (TRAINED, ["unlike=true"], True),
        pytest.param(
            HEAD_ONLY, ["unlike=true", "cache.mode=off", "head=attention-pool"], True,
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_others_store_them_on_request(frozen, tmp_path, phases, options, stored):
    *_, result = run(write_recipe(tmp_path / "recipe.toml", frozen[1], phases), options)
    folder = Path(result.folder)
    assert (folder / "unlike.safetensors").exists() is stored
    if not stored:
        assert next(predict(folder, frozen[1])).unlike is None
        with pytest.raises(RunError, match="has not stored its train images"):
            load_classifier(folder, nearest=3)
        return
    path = frozen[1] / "train/squares/001.jpg"
    assert load_classifier(folder, nearest=1).predict(path).nearest[0].name.endswith("es/001.jpg")


@pytest.mark.parametrize("containing", ["tlf.load_head", "import json, numpy"])
def test_the_documented_lines_say_the_same(frozen, monkeypatch, capsys, containing):
    _, images, folder = frozen
    path = images / "val/circles/000.jpg"
    classifier = load_classifier(folder, unlike=True, nearest=1)
    (expected,) = classifier.each([path])
    with torch.inference_mode():
        features = classifier.model.features(classifier.prepare([path]))
    text = (ROOT / "tlf/inference/UNSURE.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (block,) = (block for block in blocks if containing in block)
    monkeypatch.chdir(folder)
    exec(block, {"features": features if "load_head" in block else features.numpy()})
    told = capsys.readouterr().out
    kept = re.findall(r"'(\w+)'", told.partition("Neighbour")[0])
    assert sorted(kept) == sorted(expected.kept)
    assert str(expected.unlike) in told
    assert expected.nearest[0].name in told


def test_the_documented_lines_for_a_program_say_the_same(frozen, tmp_path, monkeypatch, capsys):
    _, images, folder = frozen
    text = (ROOT / "tlf/inference/UNSURE.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (block,) = (block for block in blocks if "load_classifier" in block)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine").symlink_to(folder)
    (tmp_path / "image.jpg").symlink_to(images / "val/circles/000.jpg")
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    first, second = capsys.readouterr().out.splitlines()
    (expected,) = load_classifier(folder, unlike=True, nearest=3).each(["image.jpg"])
    assert first == f"{expected.label} {expected.unsure} {expected.kept} {expected.unlike}"
    assert expected.nearest[2].name in second


def test_it_is_joined_and_exported_as_before(frozen, tmp_path):
    _, images, folder = frozen
    head, path = load_head(folder / "head.safetensors"), images / "val/circles/000.jpg"
    plain = load_classifier(folder)
    joined = head.attach(plain.model.backbone).predict(path)
    assert (joined.kept, joined.unlike) == (plain.predict(path).kept, None)
    assert joined.kept is not None
    exported = Path(export(folder, "head", tmp_path / "head.safetensors").path)
    assert load_head(exported).metadata == head.metadata
    assert head.train_images(folder / "unlike.safetensors").measured == 20


@pytest.mark.slow
def test_a_run_that_is_resumed_writes_the_same_file(frozen, tmp_path):
    _, images, folder = frozen
    text = f"checkpoint_every = {{ updates = 1 }}\n{HEAD_ONLY}"
    for number, kind in enumerate((Updated, EpochResult, PhaseEnded)):
        place = tmp_path / str(number)
        place.mkdir()
        events = run(write_recipe(place / "recipe.toml", images, text))
        next(event for event in events if isinstance(event, kind))
        events.close()
        list(resume(place / "run"))
        for name in ("unlike.safetensors", "head.safetensors", "model.safetensors"):
            assert (place / "run" / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.slow
def test_two_processes_write_the_same_files(frozen, tmp_path):
    recipe = write_recipe(tmp_path / "recipe.toml", frozen[1], f"calibration = 0.4\n{TRAINED}")
    for processes in (1, 2):
        words = [
            sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", processes,
            "--standalone", "-m", "tlf", recipe, "unlike=true", f"output={tmp_path}/{processes}",
        ]  # fmt: skip
        subprocess.run([*map(str, words)], check=True, cwd=ROOT, timeout=200)
    one, two = (load_classifier(tmp_path / name, unlike=True) for name in "12")
    assert one.calibrated.source == two.calibrated.source == "calibration"
    assert one.calibrated.threshold == pytest.approx(two.calibrated.threshold, abs=1e-3)
    assert one.train_images.names == two.train_images.names
    torch.testing.assert_close(
        one.train_images.embeddings, two.train_images.embeddings, atol=2e-3, rtol=0
    )


def test_without_its_file_a_run_still_predicts(frozen, tmp_path):
    folder = Path(shutil.copytree(frozen[2], tmp_path / "run"))
    (folder / "unlike.safetensors").unlink()
    with pytest.warns(MissingTrainImagesWarning, match=r"unlike\.safetensors, so nothing is said"):
        assert next(predict(folder, frozen[1])).unlike is None
    with pytest.raises(RunError, match="which holds the train images; copy it from the run"):
        load_classifier(folder, nearest=3)


def test_a_better_epoch_removes_the_file_of_the_old_one(frozen, tmp_path):
    folder = Path(shutil.copytree(frozen[2], tmp_path / "run"))
    remove_model(folder)
    assert not (folder / "unlike.safetensors").exists()
    assert next(predict(folder, frozen[1])).unlike is None

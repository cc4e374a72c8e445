"""Classifying images with what a run left."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load

from installing import installed, write_project
from run_files import predictions
from small import TWO_PHASES, UNREADABLE, write_recipe
from tlf.builtin.folder import Folder
from tlf.errors import DataError, PluginError, RunError, WeightsError
from tlf.inference.classifier import AT_ONCE
from tlf.inference.predict import expand, load_classifier
from tlf.inference.predict import predict as predict_images
from tlf.inference.sealed_file import read_sealed, write_sealed
from tlf.runs.run import run
from tlf.runtime.precision import PrecisionWarning, has_fast


def test_probabilities_sum_to_one_and_the_highest_is_predicted(finished, images):
    for found in predict_images(finished, images):
        assert list(found.probabilities) == ["circles", "squares"]
        assert sum(found.probabilities.values()) == pytest.approx(1, abs=2e-6)
        assert found.label == max(found.probabilities, key=found.probabilities.get)
        assert found.probability == found.probabilities[found.label]


def test_more_images_than_a_batch_in_the_order_given(finished, images):
    files = [*expand([images / "train", images / "val"])] * 2
    assert len(files) > AT_ONCE
    found = list(predict_images(str(finished), files))
    assert [one.path for one in found] == [str(file) for file in files]
    half = len(files) // 2
    for first, second in zip(found[:half], found[half:], strict=True):
        assert first.probabilities == pytest.approx(second.probabilities, abs=2e-6)


def test_folders_stand_for_the_images_in_them(tmp_path):
    names = ("b.jpg", "a.PNG", "deep/er/c.webp", "notes.txt", ".hidden.jpg", ".trash/d.jpg")
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"")
    (tmp_path / "in" / "folder.jpg").mkdir()
    lone = tmp_path / "in" / "notes.txt"
    found = expand([lone, tmp_path / "in"])
    assert [os.path.relpath(path, tmp_path / "in") for path in found] == [
        "notes.txt",
        "a.PNG",
        "b.jpg",
        "deep/er/c.webp",
    ]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no images in this folder"):
        expand([tmp_path / "none"])
    with pytest.raises(DataError, match="there is no such file or folder"):
        expand([tmp_path / "in", tmp_path / ("x" * 300)])


def test_the_images_of_a_folder_are_those_of_a_data_set(tmp_path):
    """Linked folders, hidden files, what systems leave, links in circles, names of folders."""
    for name in (
        *("train/ants/1.jpg", "train/ants/in/2.PNG", "train/ants/._1.jpg", "train/ants/note.txt"),
        *("train/ants/__MACOSX/1.jpg", "train/ants/@eaDir/1.jpg", "train/bees/1.jpg", "far/3.jpg"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    train = tmp_path / "train"
    (train / "ants" / "far").symlink_to(tmp_path / "far")
    (train / "ants" / "circle").symlink_to(train / "ants")
    (train / "ants" / "gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    (train / "ants" / "folder.jpg").mkdir()
    splits = Folder(str(train), train=".", eval=str(train)).build()
    assert [os.path.relpath(path, train) for path in expand([train])] == sorted(splits.train.names)
    assert len(splits.train) == 5


def test_a_folder_that_is_hidden_itself_may_be_named(tmp_path):
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "a.jpg").write_bytes(b"")
    assert expand([tmp_path / ".cache"]) == (str(tmp_path / ".cache" / "a.jpg"),)


def test_a_program_decides_about_unreadable_images(finished, spoilt):
    bad = [str(spoilt / name) for name in UNREADABLE]
    good = [path for path in expand([spoilt]) if path not in bad]
    problems = []
    found = list(predict_images(finished, spoilt, problems.append))
    assert [one.path for one in found] == [str(path) for path in good]
    assert [str(problem).partition(": ")[0] for problem in problems] == [str(path) for path in bad]
    assert all(isinstance(problem, DataError) for problem in problems)
    with pytest.raises(DataError, match=r"train/circles/000\.jpg: the file is empty"):
        list(predict_images(finished, spoilt))
    problems.clear()
    assert list(predict_images(finished, bad, problems.append)) == []
    assert len(problems) == len(bad)


def test_other_kinds_of_the_same_pixels_are_predicted_alike(finished, images, tmp_path):
    """Upright or turned by EXIF, with or without transparency or a palette: one answer."""
    image = Image.open(images / "val/squares/001.jpg").convert("RGB")
    turned = Image.Exif()
    turned[274] = 6  # to be turned a quarter clockwise when shown
    few = image.quantize(64)
    image.save(tmp_path / "plain.png")
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=turned)
    image.convert("RGBA").save(tmp_path / "alpha.png")
    few.save(tmp_path / "palette.png")
    few.convert("RGB").save(tmp_path / "palette_as_rgb.png")
    classifier = load_classifier(finished)
    found = {
        Path(one.path).stem: (one.label, one.probabilities)
        for one in classifier.each(expand([tmp_path]))
    }
    assert found["turned"] == found["alpha"] == found["plain"]
    assert found["palette"] == found["palette_as_rgb"]
    sideways = tmp_path / "sideways.png"
    image.transpose(Image.Transpose.ROTATE_90).save(sideways)
    assert classifier.predict(sideways).probabilities != found["plain"][1]


def test_paths_stay_as_they_were_given(finished, images, monkeypatch):
    monkeypatch.chdir(images)
    names = ["./val/squares/001.jpg", "val//squares/001.jpg"]
    assert [one.path for one in predict_images(finished, names)] == names
    assert next(predict_images(finished, "./val/")).path == "./val/circles/000.jpg"


def test_an_iterator_of_paths_is_read_while_images_are_classified(finished, images, tmp_path):
    """Its length is not asked; a path that does not exist is an unreadable image."""
    (tmp_path / "none").mkdir()
    folder, taken, problems = images / "val", [], []
    given = [tmp_path / "gone.jpg", tmp_path / "none", *[folder] * 20]
    paths = (taken.append(path) or path for path in given)
    found = predict_images(finished, paths, problems.append)
    assert taken == []
    assert next(found).path == str(folder / "circles" / "000.jpg")
    assert len(taken) < len(given)
    assert len([*found]) == 20 * 11 - 1
    # The folder is looked into while images before it are read.
    assert sorted(map(str, problems)) == [
        f"{tmp_path}/gone.jpg: No such file or directory; name an image file",
        f"{tmp_path}/none: no images in this folder; name one with .jpg or .png files",
    ]
    with pytest.raises(DataError, match=r"gone\.jpg: No such file"):
        next(predict_images(finished, iter(given[:1])))


def test_a_run_folder_can_be_moved_and_its_images_deleted(finished, images, tmp_path):
    moved = Path(shutil.copytree(finished, tmp_path / "elsewhere"))
    text = (moved / "recipe.toml").read_text().replace(str(images), "/nowhere")
    (moved / "recipe.toml").write_text(text)
    there = images / "val" / "circles"
    assert list(predict_images(moved, there)) == list(predict_images(finished, there))


def test_the_run_that_was_probably_meant_is_named(finished, images):
    wrong = finished.with_name(finished.name[:-1])
    told = f"there is no {wrong}/model.safetensors; .*; did you mean '{finished}'"
    with pytest.raises(RunError, match=told):
        load_classifier(wrong)


def test_a_model_without_its_recipe_is_refused(finished, tmp_path):
    moved = Path(shutil.copytree(finished, tmp_path / "elsewhere"))
    (moved / "recipe.toml").unlink()
    with pytest.raises(RunError, match=r"must also hold its recipe, got no .*; copy it from the"):
        load_classifier(moved)


def test_loading_a_run_fetches_no_weights(finished, tmp_path):
    """The recipe names published weights; the run's own take their place without a look."""
    moved = Path(shutil.copytree(finished, tmp_path / "elsewhere"))
    text = (moved / "recipe.toml").read_text()
    assert text.count('\nweights = "none"') == 1
    text = text.replace('\nweights = "none"', '\nweights = "gone.pth"')
    (moved / "recipe.toml").write_text(text)
    assert load_classifier(moved).labels == ("circles", "squares")


def test_a_run_is_named_by_its_folder_or_its_model(finished):
    tensors = [
        load_classifier(path).model.state_dict()
        for path in (finished, str(finished), finished / "model.safetensors")
    ]
    for name, tensor in tensors[0].items():
        assert all(torch.equal(other[name], tensor) for other in tensors)


def test_a_weight_that_changed_is_seen(finished, tmp_path):
    moved = Path(shutil.copytree(finished, tmp_path / "elsewhere"))
    file = moved / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged: its bytes are not those that were written"):
        load_classifier(moved)


def written(rows):
    """Path → figures of predictions.csv, to six decimals: other batches round otherwise."""
    return {
        row["path"]: (
            row["predicted"], f"{float(row['p_circles']):.6f}", f"{float(row['p_squares']):.6f}"
        )
        for row in rows
    }  # fmt: skip


def found_in(folder, run, images, precision=None):
    found = predict_images(run, images / folder, precision=precision)
    return {
        str(Path(one.path).relative_to(images)): (
            one.label,
            *(f"{probability:.6f}" for probability in one.probabilities.values()),
        )
        for one in found
    }


@pytest.mark.skipif(not has_fast("bf16", torch.device("cpu")), reason="this CPU has no fast bf16")
def test_the_run_says_what_it_computed_in_and_is_predicted_with_it(finished_bf16, images):
    """The figures of predictions.csv; float32 gives others."""
    expected = written(predictions(finished_bf16))
    assert load_classifier(finished_bf16).precision == "bf16"
    assert found_in("val", finished_bf16, images) == expected
    assert found_in("val", finished_bf16, images, "bf16") == expected
    assert found_in("val", finished_bf16, images, "no") != expected


def test_a_run_in_float32_is_predicted_in_float32(finished, images):
    assert load_classifier(finished).precision == "no"
    assert found_in("val", finished, images) == written(predictions(finished))


def test_a_device_without_fast_bf16_computes_in_float32_and_says_so(
    finished_bf16, images, monkeypatch
):
    expected = found_in("val", finished_bf16, images, "no")
    monkeypatch.setattr("tlf.runtime.precision.has_fast", lambda precision, device: False)
    with pytest.warns(PrecisionWarning, match="no fast bf16") as caught:
        assert found_in("val", finished_bf16, images) == expected
    assert len(caught) == 1


def test_an_unknown_precision_is_refused(finished, images):
    told = "precision must be one of no, bf16, fp16, got 'float16'; leave it out"
    with pytest.raises(RunError, match=told):
        predict_images(finished, images, precision="float16")


def test_unreadable_images_change_no_batch(finished, images, tmp_path):
    """What is left out is left out before batches are made, as in a run."""
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    files = [*expand([images])] * 2
    assert len(files) > AT_ONCE
    problems = []
    found = list(predict_images(finished, [bad, *files[:7], bad, *files[7:]], problems.append))
    assert found == list(predict_images(finished, files))
    assert len(problems) == 2


WIDE = """
from dataclasses import dataclass
from torch import nn
from tlf.components import BuiltBackbone
from tlf.hookspecs import hookimpl
from tlf.preprocessing import Preprocessing

@dataclass(frozen=True)
class Wide:
    weights: str = "large"  # a width: "none" is not one
    def build(self):
        width = {"large": 8, "small": 4}[self.weights]
        conv = nn.Conv2d(3, width, 3, stride=2)
        module = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        stages = {"stem": ("0.weight", "0.bias")}
        return BuiltBackbone(module, width, stages, Preprocessing(size=32, resize=36), "fc")

@hookimpl
def tlf_backbones():
    return {"net": Wide}
"""


@pytest.mark.parametrize("width", ["large", "small"])
def test_weights_of_a_plugins_backbone_mean_what_its_author_says(tmp_path, images, width):
    recipe = write_recipe(tmp_path / "recipe.toml", images, TWO_PHASES)
    (tmp_path / "site").mkdir()
    project = write_project(tmp_path / "tlf-wide", "wide", WIDE)
    backbone = f"backbone={{kind='wide:net',weights='{width}'}}"
    with installed(tmp_path / "site", project):
        *_, result = run(recipe, [backbone, "phases.0.freeze=nothing", "phases.1.lr=0.01",
                                  "phases.1.freeze=nothing"])  # fmt: skip
        found = load_classifier(result.folder).predict(images / "val/squares/001.jpg")
    rows = Path(result.folder, "predictions.csv").read_text().splitlines()
    (row,) = (row.split(",") for row in rows if "squares/001.jpg" in row)
    assert found.label == row[2]
    assert float(row[3]) == pytest.approx(found.probabilities["circles"], abs=1e-5)


@pytest.mark.parametrize("size", ["64", [64], {"a": 1}])
def test_a_backbone_that_cannot_be_rebuilt_is_named(run_copy, size):
    """The file of a model may come from anybody."""
    path = run_copy / "model.safetensors"
    about, data = read_sealed(path)
    about["backbone"]["config"] = {"size": size}
    write_sealed(path, load(data), about)
    with pytest.raises(WeightsError, match="wrote a backbone that this tlf cannot rebuild: "):
        load_classifier(run_copy)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", torch.float16])
def test_a_model_may_be_converted_to_another_type(finished, images, dtype):
    plain, other = load_classifier(finished), load_classifier(finished, device="cpu", dtype=dtype)
    image = images / "val/squares/001.jpg"
    types = {t.dtype for t in [*other.model.parameters(), other.prepare([image])]}
    assert types == {getattr(torch, str(dtype).removeprefix("torch."))}
    expected = plain.predict(image).probabilities
    assert other.predict(image).probabilities == pytest.approx(expected, abs=0.02)


def test_a_wrong_device_or_type_is_refused(finished):
    with pytest.raises(RunError, match=r"device must be one of cpu.* got 'gpu'"):
        load_classifier(finished, device="gpu")
    with pytest.raises(RunError, match=r"dtype must be one of float32.* got 'int8'"):
        load_classifier(finished, dtype=torch.int8)
    with pytest.raises(RunError, match="precision and dtype must not both be given, got 'bf16'"):
        load_classifier(finished, "bf16", dtype="float16")


ASIDE = """
from dataclasses import dataclass
from torch.nn.functional import cross_entropy
from tlf.hookspecs import hookimpl

@dataclass(frozen=True)
class Same:
    def build(self, class_counts):
        return lambda logits, labels: cross_entropy(logits, labels, reduction="none")

@dataclass(frozen=True)
class Watch:
    @hookimpl
    def tlf_epoch_ended(self, result):
        pass

@hookimpl
def tlf_losses():
    return {"same": Same}

@hookimpl
def tlf_extensions():
    return {"watch": Watch}

@hookimpl
def tlf_training_step(model, images, labels, loss):
    return None
"""

MARKING = """
from dataclasses import dataclass
import torch
from tlf.hookspecs import hookimpl

@dataclass(frozen=True)
class Mark:
    width: int = 1

    @hookimpl
    def tlf_model_trained(self, model):
        model.head.register_buffer("mark", torch.ones(self.width))

@hookimpl
def tlf_extensions():
    return {"mark": Mark}
"""


def test_only_the_plugins_that_the_model_is_made_of_are_needed(tmp_path, images):
    aside = write_project(tmp_path / "tlf-aside", "aside", ASIDE)
    marking = write_project(tmp_path / "tlf-marking", "marking", MARKING)
    recipe = write_recipe(tmp_path / "recipe.toml", images, TWO_PHASES)
    for site in ("site", "less", "least"):
        (tmp_path / site).mkdir()
    with installed(tmp_path / "site", aside, marking):
        *_, result = run(
            recipe,
            ["loss=aside:same", "plugins=['aside']", "phases.1.epochs=1",
             "extensions=['aside:watch', {kind='marking:mark', width=3}]"],
        )  # fmt: skip
        head = load_classifier(result.folder).model.head
    assert head.mark.shape == (3,)
    with installed(tmp_path / "less", marking):
        assert load_classifier(result.folder).model.head.mark.shape == (3,)
        unwritten = shutil.ignore_patterns("model.safetensors")
        stopped = shutil.copytree(result.folder, tmp_path / "stopped", ignore=unwritten)
        assert load_classifier(stopped).model.head.mark.shape == (3,)
    needed = (
        r"model.safetensors needs the plugin 'marking' of tlf-marking 1\.2: plugin 'marking' is"
    )
    with pytest.raises(PluginError, match=needed) as caught:
        load_classifier(result.folder)
    assert "aside" not in str(caught.value)
    weights = Path(result.folder, "model.safetensors")
    about, data = read_sealed(weights)
    del about["changed_by"]
    write_sealed(weights, load(data), about)
    with (
        installed(tmp_path / "least", marking),
        pytest.raises(PluginError, match="'aside' is not installed"),
    ):
        load_classifier(result.folder)

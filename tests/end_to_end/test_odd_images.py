"""Odd names and odd files: shown as they are, read with care, scaled alike everywhere."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tlf as package

CLASS = os.fsdecode(b"caf\xe9 \x1b[31m:cat:")
SHOWN = r"caf\xe9 \x1b[31m:cat:"
FILES = ["x[copy].jpg", "a[].jpg", "=1+1.jpg", os.fsdecode(b"caf\xe9\n.jpg")]
SHOWN_FILES = ["x[copy].jpg", "a[].jpg", "=1+1.jpg", r"caf\xe9\n.jpg"]


@pytest.fixture
def odd(images, tmp_path):
    """A data set whose classes and images have odd names."""
    root = Path(shutil.copytree(images, tmp_path / "odd"))
    for split in ("train", "val"):
        (root / split / "circles").rename(root / split / "[background]")
        (root / split / "squares").rename(root / split / CLASS)
    for number, name in enumerate(FILES):
        (root / "val" / CLASS / f"00{number}.jpg").rename(root / "val" / CLASS / name)
    return root


def test_odd_names_are_shown_and_written_as_they_are(main, recipe, odd, tmp_path):
    phase = 'phases.1.name="p[/] :dog:\\u001b[2J"'
    code, out, err = main(recipe, f"data.root={odd}", "phases.1.epochs=1", phase)
    assert (code, err) == (0, "")
    assert f"images    20 to train on, 11 to evaluate on: [background], {SHOWN}" in out
    assert r"phase p[/] :dog:\x1b[2J, from epoch 1" in out
    with (tmp_path / "run" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert f"p_{SHOWN}" in rows[0]
    assert {f"val/{SHOWN}/{name}" for name in SHOWN_FILES} < {row["path"] for row in rows}
    printed = {}
    for form in ("table", "csv", "jsonl"):
        code, printed[form], err = main("predict", tmp_path / "run", odd / "val", "--format", form)
        assert (code, err) == (0, "")
    _, history, _ = main("history", tmp_path / "run")
    assert r"p[/] :dog:\x1b[2J" in history
    assert "\x1b" not in "".join([out, history, *printed.values()])
    found = {json.loads(line)["path"] for line in printed["jsonl"].splitlines()}
    assert {str(odd / "val" / CLASS / name) for name in FILES} < found  # programs get the real path
    assert "[background]" in printed["table"]


def test_an_unreadable_image_with_an_odd_name_is_named(main, recipe, odd, run_copy):
    bad = odd / "val" / CLASS / FILES[-1]
    bad.write_bytes(b"")
    code, out, err = main(recipe, f"data.root={odd}")
    assert (code, out) == (2, "")
    assert f"  val/{SHOWN}/{SHOWN_FILES[-1]}: the file is empty\n" in err
    code, _, err = main("predict", run_copy, bad)
    assert code == 2
    assert f"{SHOWN}/{SHOWN_FILES[-1]}: the file is empty" in err
    assert "\x1b" not in err


def test_arguments_that_are_no_text_are_refused(main, recipe):
    code, out, err = main(recipe, os.fsdecode(b"data.root=caf\xe9"))
    assert (code, out) == (2, "")
    assert r"data.root=caf\xe9: must be UTF-8" in err


def test_the_file_of_a_recipe_may_have_any_name(main, recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = recipe.rename(tmp_path / os.fsdecode(b"caf\xe9.toml"))
    odd.write_text(odd.read_text().replace("output", "# output"))
    code, out, err = main("explain", odd, "--recipe")
    assert (code, err) == (0, "")
    assert r"runs/caf\\xe9" in out  # in a string of TOML


@pytest.fixture
def deep(tmp_path):
    """Twelve bits in files of sixteen: stripes along the rows or the columns."""
    for split, count in (("train", 8), ("val", 4)):
        for label in range(2):
            folder = tmp_path / "deep" / split / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                chance = np.random.default_rng([count, label, number])
                stripes = np.arange(36) // 4 % 2 * 3000
                values = chance.integers(0, 800, (36, 36)) + (
                    stripes.T if label else stripes[:, None]
                )
                Image.fromarray(values.astype(np.uint16)).save(folder / f"{number}.png")
    return tmp_path / "deep"


def test_a_head_scales_16_bit_images_as_its_run_did(main, recipe, deep, tmp_path):
    largest = max(np.asarray(Image.open(path)).max() for path in deep.glob("train/*/*.png"))
    code, out, err = main(recipe, f"data.root={deep}", "data.white=auto", "phases.1.epochs=1")
    assert (code, err) == (0, "")
    assert (
        f"16 images of the train split hold 16-bit values, 0 to {largest:,}; {largest:,} is" in out
    )
    run = tmp_path / "run"
    assert package.load_head(run / "head.safetensors").preprocessing.white == largest
    classifier = package.load_classifier(run)
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    paths = [deep / row["path"] for row in rows]
    expected = torch.tensor([float(row["p_class0"]) for row in rows])
    opened = [Image.open(path) for path in paths]
    for images in (paths, [path.read_bytes() for path in paths], opened):
        given = torch.tensor([p.probabilities["class0"] for p in classifier.predict(images)])
        torch.testing.assert_close(given, expected, atol=2e-6, rtol=0)
    code, out, _ = main("export", run, "--to", "torch-export")
    assert code == 0


FIVE = """
[transforms]
size = 32
resize = 36
depth = 16
augment = "crop-flip"
mean = [0.2, 0.2, 0.2, 0.2, 0.2]
[data]
kind = "folder"
root = "ROOT"
white = 4000
[backbone]
kind = "timm"
model = "test_resnet.r160_in1k"
weights = "none"
channels = 5
[[phases]]
name = "all"
epochs = 1
lr = 0.01
"""


@pytest.fixture
def five(tmp_path):
    """Images of five channels and twelve bits, as files of NumPy."""
    chance = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 3)):
        for label in range(2):
            folder = tmp_path / "five" / split / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                values = chance.integers(0, 2000, (36 + number, 40, 5))
                values[..., 4] += 2000 * label
                np.save(folder / f"{number}.npy", values.astype(np.uint16))
    return tmp_path / "five"


def test_five_channels_of_16_bits_go_from_the_files_to_the_predictions(main, five, tmp_path):
    recipe = tmp_path / "five.toml"
    recipe.write_text(f'output = "{tmp_path / "run"}"' + FIVE.replace("ROOT", str(five)))
    code, out, err = main(recipe)
    assert (code, err) == (0, "")
    run = tmp_path / "run"
    preprocessing = package.load_head(run / "head.safetensors").preprocessing
    assert (preprocessing.depth, preprocessing.white, preprocessing.channels) == (16, 4000, 5)
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    paths = [five / row["path"] for row in rows]
    expected = torch.tensor([float(row["p_class0"]) for row in rows])
    classifier = package.load_classifier(run)
    for images in (paths, [np.load(path) for path in paths]):
        given = torch.tensor([p.probabilities["class0"] for p in classifier.predict(images)])
        torch.testing.assert_close(given, expected, atol=2e-6, rtol=0)
    other = five / "train" / "class1" / "3.npy"
    np.save(other, np.zeros((36, 40, 4), np.uint16))
    code, out, err = main(recipe, f"output={tmp_path / 'other'}")
    assert (code, out) == (2, "")
    assert "train/class1/3.npy: the backbone takes 5 channels, the image has 4" in err


def test_by_default_such_images_are_reported(main, recipe, deep):
    _, out, _ = main(recipe, f"data.root={deep}", "phases.1.epochs=1")
    assert "65,535 is white, so they are nearly black: write data.white = " in out


@pytest.mark.parametrize("white", [0, 65536, "dark", 1.5])
def test_white_is_a_value_of_16_bits(main, recipe, white):
    code, _, err = main("explain", recipe, f"data.white={white}")
    assert code == 2
    assert "data.white: must be" in err


def test_pipes_are_not_waited_for(main, recipe, images, run_copy, tmp_path):
    for name in ("p.toml", "p.png", "p.csv", "p.safetensors"):
        os.mkfifo(tmp_path / name)
    assert "must be a regular file, got a pipe" in main(tmp_path / "p.toml")[2]
    listed = f'data={{kind="csv",file="{tmp_path}/p.csv"}}'
    assert "must be a regular file, got a pipe" in main(recipe, listed)[2]
    weights = f"backbone.weights={tmp_path}/p.safetensors"
    assert "which is a device, a pipe or a socket" in main(recipe, weights)[2]
    code, _, err = main("predict", run_copy, tmp_path / "p.png", images / "val")
    assert code == 1
    assert f"error: {tmp_path}/p.png: it must be a regular file, got a pipe" in err

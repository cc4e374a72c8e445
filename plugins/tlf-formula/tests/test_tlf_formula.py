"""The images keep tlf's contract, are the same wherever they are drawn, and are kept whole."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections import Counter
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tlf_formula import dataset, pack
from tlf_formula.catalogue import catalogue
from tlf_formula.dataset import CLASSES, Formula, class_names, draw_all, draw_images
from tlf_formula.scene import Figure, Surface

from tlf.errors import DataError
from tlf.testing import check_dataset

SMALL = Formula(classes=6, train_per_class=4, eval_per_class=3, size=32, seed=5)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path))
    return tmp_path / "formula"


def pixels(jpeg):
    return np.asarray(Image.open(BytesIO(jpeg)).convert("RGB"), dtype=float)


def digest(jpegs):
    return hashlib.sha256(b"".join(jpegs)).hexdigest()


def test_the_contract():
    check_dataset(SMALL)


def test_labels_are_balanced_and_names_are_unique():
    splits = SMALL.build()
    assert Counter(splits.train.labels) == dict.fromkeys(range(6), 4)
    assert Counter(splits.eval.labels) == dict.fromkeys(range(6), 3)
    names = [*splits.train.names, *splits.eval.names]
    assert len(set(names)) == len(names) == 6 * 7
    assert len(set(splits.classes)) == 6
    for name, label in zip(splits.train.names, splits.train.labels, strict=True):
        assert name.split("/")[1] == splits.classes[label]


@pytest.mark.parametrize("size", [32, 112])
def test_images_decode_to_the_size_asked(size):
    splits = Formula(classes=3, train_per_class=2, eval_per_class=1, size=size).build()
    for split in (splits.train, splits.eval):
        for index in range(len(split)):
            image = Image.open(BytesIO(split.read(index)))
            assert (image.format, image.size, image.mode) == ("JPEG", (size, size), "RGB")


def test_what_is_read_is_what_was_drawn_for_that_index():
    splits = SMALL.build()
    assert [splits.train.read(n) for n in range(24)] == draw_images(SMALL, "train", range(24))
    assert [splits.eval.read(n) for n in range(18)] == draw_images(SMALL, "eval", range(18))


def test_an_image_depends_on_nothing_but_seed_split_class_and_number():
    alone = draw_images(SMALL, "train", [17])
    backwards = draw_images(SMALL, "train", range(23, -1, -1))
    assert alone == [backwards[23 - 17]]
    assert alone != draw_images(SMALL, "eval", [17])
    other = Formula(classes=6, train_per_class=4, eval_per_class=3, size=32, seed=6)
    assert alone != draw_images(other, "train", [17])


def test_images_are_the_same_in_another_process():
    code = (
        "import hashlib; from tlf_formula.dataset import *;"
        "f = Formula(classes=6, train_per_class=4, eval_per_class=3, size=32, seed=5);"
        "print(hashlib.sha256(b''.join(draw_images(f, 'train', range(24)))).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == digest(draw_images(SMALL, "train", range(24)))


def test_the_file_is_the_same_for_any_number_of_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "PIECE", 5)
    files = [tmp_path / "one", tmp_path / "two"]
    draw_all(SMALL, files[0], workers=1)
    draw_all(SMALL, files[1], workers=2)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_train_and_eval_share_no_image():
    splits = SMALL.build()
    train = {splits.train.read(n) for n in range(len(splits.train))}
    evaluation = {splits.eval.read(n) for n in range(len(splits.eval))}
    assert len(train) == 24
    assert len(evaluation) == 18
    assert not train & evaluation


def test_a_second_build_draws_nothing(monkeypatch, capsys):
    first = SMALL.build().train.read(3)
    assert "drawing train: 24/24" in capsys.readouterr().err
    monkeypatch.setattr(dataset, "draw_images", None)
    assert SMALL.build().train.read(3) == first
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "other",
    [
        Formula(classes=5, train_per_class=4, eval_per_class=3, size=32, seed=5),
        Formula(classes=6, train_per_class=5, eval_per_class=3, size=32, seed=5),
        Formula(classes=6, train_per_class=4, eval_per_class=3, size=33, seed=5),
        Formula(classes=6, train_per_class=4, eval_per_class=3, size=32, seed=6),
    ],
)
def test_other_options_or_another_drawing_have_a_file_of_their_own(other, cache, monkeypatch):
    SMALL.build()
    other.build()
    assert len(list(cache.iterdir())) == 2
    monkeypatch.setattr(dataset, "DRAWING", dataset.DRAWING + 1)
    SMALL.build()
    assert len(list(cache.iterdir())) == 3


def test_a_drawing_that_is_stopped_leaves_nothing_that_is_read(cache, monkeypatch):
    drawn, draw = [], dataset.draw_images

    def stop_halfway(options, split, indices):
        if drawn:
            raise KeyboardInterrupt
        drawn.append(split)
        return draw(options, split, indices)

    monkeypatch.setattr(dataset, "draw_images", stop_halfway)
    with pytest.raises(KeyboardInterrupt):
        SMALL.build()
    assert list(cache.iterdir()) == []
    monkeypatch.undo()
    monkeypatch.setenv("TLF_CACHE", str(cache.parent))
    assert len(SMALL.build().train) == 24


def test_a_truncated_leftover_of_a_killed_drawing_is_not_read(cache):
    SMALL.build()
    (whole,) = cache.iterdir()
    content = whole.read_bytes()
    leftover = cache / f".{whole.name}.killed"
    whole.rename(leftover)
    leftover.write_bytes(content[:1000])
    assert SMALL.build().train.read(0) == draw_images(SMALL, "train", [0])[0]
    assert whole.read_bytes() == content


def test_a_damaged_file_is_named(cache):
    SMALL.build()
    (whole,) = cache.iterdir()
    whole.write_bytes(whole.read_bytes()[:1000])
    with pytest.raises(DataError, match=f"{whole.name} is damaged .*delete it"):
        SMALL.build().train.read(0)


def test_reading_survives_a_pickle():
    split = SMALL.build().eval
    copy = pickle.loads(pickle.dumps(split))
    assert [copy.read(n) for n in range(18)] == [split.read(n) for n in range(18)]
    assert len(pickle.dumps(split.read)) < 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 1}, "classes is 1; write a whole number from 2 to 120"),
        ({"classes": CLASSES + 1}, "classes is 121; write a whole number from 2 to 120"),
        ({"train_per_class": 0}, "train_per_class is 0; write .* from 1"),
        ({"eval_per_class": 0}, "eval_per_class is 0; write .* from 1"),
        ({"size": 8}, "size is 8; write .* from 32 to 512"),
        ({"seed": -1}, "seed is -1; write .* from 0"),
    ],
)
def test_an_option_out_of_bounds_is_named_and_nothing_is_drawn(options, message, cache):
    with pytest.raises(ValueError, match=message):
        Formula(**options).build()
    assert not cache.exists()


def test_fewer_classes_are_spread_over_all_kinds():
    assert len(catalogue()) == CLASSES == Formula().classes
    assert class_names(CLASSES) == tuple(catalogue())
    assert class_names(3) == ("triangle", "spokes 6", "collar")
    kinds = [catalogue()[name](np.random.default_rng(0), 32) for name in class_names(10)]
    assert {type(kind) for kind in kinds} == {Figure, Surface}


@pytest.mark.parametrize("name", catalogue())
def test_every_class_can_be_drawn_and_varies(name):
    subjects = [catalogue()[name](np.random.default_rng(seed), 64) for seed in range(3)]
    for subject in subjects:
        if isinstance(subject, Surface):
            assert subject.values.shape == (64, 64)
            assert subject.values.min() >= 0
            assert subject.values.max() <= 1
            assert subject.values.std() > 0.02
        else:
            assert all(np.isfinite(part.points).all() for part in subject.parts)
            assert {part.points.shape[1] for part in subject.parts} == {2}
            assert all(0 <= part.tone < 4 for part in subject.parts)
    assert len({pickle.dumps(subject) for subject in subjects}) == 3


def test_color_and_brightness_do_not_tell_classes_apart():
    """The nearest class mean of 4 × 4 color thumbnails is hardly more often right than chance."""
    asked = Formula(classes=20, train_per_class=12, eval_per_class=8, size=32)

    def thumbnails(split, each):
        jpegs = draw_images(asked, split, range(20 * each))
        small = [pixels(jpeg).reshape(4, 8, 4, 8, 3).mean(axis=(1, 3)).ravel() for jpeg in jpegs]
        return np.array(small).reshape(20, each, -1)

    means = thumbnails("train", 12).mean(axis=1)
    seen = thumbnails("eval", 8)
    guesses = ((seen[:, :, None] - means) ** 2).sum(axis=3).argmin(axis=2)
    assert (guesses == np.arange(20)[:, None]).mean() < 3 / 20


def test_the_figure_stands_out_from_its_background():
    """An image has more contrast across it than camera noise alone would give."""
    jpegs = draw_images(Formula(train_per_class=1), "train", range(CLASSES))
    spread = np.array([pixels(jpeg).std(axis=(0, 1)).mean() for jpeg in jpegs])
    assert np.median(spread) > 20
    assert (spread < 5).mean() < 0.03


@pytest.fixture
def finished(tmp_path):
    """A run's file of weights, with the metadata that tells its classifier."""
    metadata = {
        "classifier": "fc",
        "preprocessing": {"size": 96, "resize": 112, "mode": "RGB", "mean": [0.5], "std": [0.2]},
        "metrics": {"top1": 0.875},
    }
    tensors = {
        "conv1.weight": torch.rand(4, 3, 3, 3),
        "bn1.num_batches_tracked": torch.tensor(7),
        "fc.weight": torch.rand(2, 4),
    }
    run = tmp_path / "run"
    run.mkdir()
    save_file(tensors, run / "model.safetensors", metadata={"tlf": json.dumps(metadata)})
    return run, tensors


def test_pack_writes_the_backbone_in_half_precision_and_where_it_comes_from(
    finished, tmp_path, monkeypatch
):
    run, tensors = finished
    path = tmp_path / "weights.safetensors"
    monkeypatch.setattr(sys, "argv", ["pack", str(run), str(path)])
    pack.main()
    packed = load_file(path)
    assert packed.keys() == {"conv1.weight", "bn1.num_batches_tracked"}
    assert torch.equal(packed["conv1.weight"], tensors["conv1.weight"].half())
    assert packed["bn1.num_batches_tracked"] == 7
    with safe_open(path, framework="pt") as file:
        told = {name: json.loads(text) for name, text in file.metadata().items()}
    assert told == {
        "preprocessing": {"size": 112, "resize": 128, "mean": [0.5], "std": [0.2]},
        "origin": {"recipe": "recipes/starter_pretraining.toml", "metrics": {"top1": 0.875}},
    }


@pytest.mark.parametrize("arguments", [[], ["runs/starter_pretraining"]])
def test_pack_has_to_be_told_where_to_write(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pack", *arguments])
    with pytest.raises(SystemExit):
        pack.main()
    assert "the following arguments are required" in capsys.readouterr().err

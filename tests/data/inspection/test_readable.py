"""Unreadable images stop the run or are left out, and images in both splits are noted."""

import io
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from generators import exhausted
from places import HYMENOPTERA
from tlf.builtin.folder import Folder
from tlf.components import Split, Splits
from tlf.data.decoding.decode import open_image
from tlf.data.inspection.inspect import inspect_split
from tlf.data.inspection.readable import check_splits
from tlf.data.splits import ReadFile, file_splits
from tlf.errors import DataError
from tlf.runtime.devices import start_accelerator
from tlf.tasks.single_label import SingleLabel


def png(value):
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), (value % 256, value // 256, 0)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def splits(tmp_path):
    """Ten images to train on and four to evaluate on, all different."""
    number = 0
    groups = {"train": {}, "val": {}}
    for split, count in (("train", 5), ("val", 2)):
        for kind in ("ants", "bees"):
            names = [f"{split}/{kind}/{i}.png" for i in range(count)]
            groups[split][kind] = names
            for name in names:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_bytes(png(number))
                number += 1
    return file_splits(str(tmp_path), groups["train"], groups["val"])


def inspect(split):
    """Inspect every image of a split."""
    return exhausted(inspect_split(split, "train", start_accelerator("no"), open_image))[0]


def checked(splits, bad_images="error", missing_in_eval="error"):
    inspections = {"train": inspect(splits.train), "eval": inspect(splits.eval)}
    return check_splits(splits, bad_images, SingleLabel(), inspections, missing_in_eval)


def damage(splits, *names, data=b"nonsense"):
    for name in names:
        Path(splits.train.read.root, name).write_bytes(data)


def test_good_images_pass_as_they_are(splits):
    assert checked(splits).splits == splits


def test_the_inspection_is_right_about_every_image_in_order(tmp_path):
    count = 150
    names = tuple(f"{i}.png" for i in range(count))
    for i, name in enumerate(names):
        (tmp_path / name).write_bytes(b"bad" if i % 50 == 7 else png(i))
    seen = inspect(Split(names, (0,) * count, ReadFile(str(tmp_path), names)))
    assert sorted(seen.reasons) == [7, 57, 107]
    assert [i for i, digest in enumerate(seen.digests) if not digest] == [7, 57, 107]
    assert len(set(seen.digests)) == count - 3 + 1


def test_each_file_is_read_once(splits):
    seen = []

    def counted(split):
        def read(index):
            seen.append(split.names[index])
            return split.read(index)

        return replace(split, read=read)

    checked(replace(splits, train=counted(splits.train), eval=counted(splits.eval)))
    assert sorted(seen) == sorted([*splits.train.names, *splits.eval.names])


def test_every_unreadable_image_of_both_splits_is_named_with_its_reason(splits):
    whole = png(1)
    damage(splits, "train/ants/1.png", "val/bees/0.png")
    damage(splits, "train/bees/3.png", data=whole[: len(whole) // 2])
    damage(splits, "train/bees/4.png", data=b"")
    Path(splits.train.read.root, "train/ants/2.png").unlink()
    with pytest.raises(DataError) as caught:
        checked(splits)
    message = str(caught.value)
    assert "train: 4 of 10 images cannot be read" in message
    assert "eval: 1 of 4 images cannot be read" in message
    assert "train/ants/1.png: not an image in a known format" in message
    assert "train/ants/2.png: No such file or directory" in message
    assert "train/bees/3.png: " in message
    assert "train/bees/4.png: the file is empty" in message
    assert "val/bees/0.png: not an image" in message
    assert 'data.bad_images = "skip"' in message


def test_a_long_list_ends_with_a_count(tmp_path):
    names = tuple(f"{i:02}.png" for i in range(25))
    for name in names:
        (tmp_path / name).write_bytes(b"bad")
    (tmp_path / "good.png").write_bytes(png(1))
    split = Split(names, (0,) * 25, ReadFile(str(tmp_path), names))
    good = Split(("good.png",), (0,), ReadFile(str(tmp_path), ("good.png",)))
    with pytest.raises(DataError, match="and 5 more") as caught:
        checked(Splits(split, good, ("any",)))
    assert str(caught.value).count("known format") == 20


def test_skip_leaves_unreadable_images_out_and_replaces_none(splits):
    damage(splits, "train/ants/1.png", "train/bees/0.png")
    result = checked(splits, "skip").splits
    train, notes = result.train, result.notes
    left = [
        name for name in splits.train.names if name not in ("train/ants/1.png", "train/bees/0.png")
    ]
    assert list(train.names) == left
    assert train.labels == (0, 0, 0, 0, 1, 1, 1, 1)
    for index, name in enumerate(left):
        assert train.read(index) == Path(splits.train.read.root, name).read_bytes()
    assert pickle.loads(pickle.dumps(train)).read(3) == train.read(3)
    assert "train: left out 2 of 10 images" in notes[0]
    assert "train/ants/1.png: not an image" in notes[0]


def test_notes_of_the_dataset_are_kept(splits):
    damage(splits, "val/ants/1.png")
    result = checked(replace(splits, notes=("first",)), "skip").splits
    assert len(result.eval) == 3
    assert result.notes[0] == "first"
    assert "eval: left out 1 of 4" in result.notes[1]


def test_a_class_that_loses_everything_is_an_error(splits):
    damage(splits, "val/bees/0.png", "val/bees/1.png")
    with pytest.raises(DataError, match=r"eval: no image of 'bees' can be read; .* = .allow"):
        checked(splits, "skip")
    kept = checked(splits, "skip", "allow").splits
    assert (kept.classes, kept.eval.labels) == (("ants", "bees"), (0, 0))
    damage(splits, "val/ants/0.png", "val/ants/1.png")
    with pytest.raises(DataError, match="eval: no image can be read"):
        checked(splits, "skip", "allow")
    damage(splits, *splits.train.names[:5])
    with pytest.raises(DataError, match="train: no image of 'ants' can be read; replace the im"):
        checked(splits, "skip", "allow")


def test_where_nothing_trains_a_class_may_lose_everything(splits):
    damage(splits, *(f"train/bees/{i}.png" for i in range(5)), "val/ants/1.png")
    inspections = {"train": inspect(splits.train), "eval": inspect(splits.eval)}
    found = check_splits(splits, "skip", SingleLabel(), inspections, may_lose_classes=True)
    assert found.splits.train.labels == (0,) * 5
    lost = [(one.split, one.name, one.label) for one in found.unreadable]
    bees = [("train", f"train/bees/{i}.png", "bees") for i in range(5)]
    assert lost == [*bees, ("eval", "val/ants/1.png", "ants")]
    assert found.unreadable[0].why.startswith("not an image in a known format")


def test_equal_bytes_in_two_classes_are_noted(splits):
    damage(splits, "train/bees/2.png", "train/ants/4.png", data=splits.train.read(3))
    damage(splits, "val/ants/1.png", data=splits.eval.read(3))
    (note,) = checked(splits).splits.notes
    assert note.splitlines() == [
        "2 images have the bytes of an image of another class: no model can be right about both",
        "  train/bees/2.png (bees) = train/ants/3.png (ants)",
        "  val/bees/1.png (bees) = val/ants/1.png (ants)",
    ]


def test_images_in_both_splits_are_named(splits):
    twin = splits.train.read(3)
    damage(splits, "val/ants/0.png", "val/bees/1.png", data=twin)
    notes = checked(splits).splits.notes
    assert len(notes) == 2  # the other one is about the two classes
    assert notes[0].startswith(
        "2 of the 4 eval images are in the train split, too, byte for byte: "
    )
    assert "val/ants/0.png = train/ants/3.png" in notes[0]
    assert "val/bees/1.png = train/ants/3.png" in notes[0]


def test_unreadable_images_are_not_in_both_splits(splits):
    damage(splits, "train/ants/0.png", "val/ants/0.png")
    notes = checked(splits, "skip").splits.notes
    assert not any("in the train split, too" in note for note in notes)


def test_an_error_of_the_dataset_itself_is_raised(splits):
    def read(index):
        raise RuntimeError("a fault in somebody's dataset")

    with pytest.raises(RuntimeError, match="a fault in somebody's dataset"):
        inspect(replace(splits.train, read=read))


@pytest.mark.skipif(not HYMENOPTERA.exists(), reason="needs shared/data/hymenoptera")
def test_ants_and_bees_are_readable_and_in_one_split_each():
    splits = Folder(str(HYMENOPTERA)).build()
    assert checked(splits).splits == splits

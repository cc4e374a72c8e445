import os
import pickle
from hashlib import sha256

import pytest

from archives import files_of, shards_of, write_tar, write_zip
from tlf.builtin.folder import Folder
from tlf.builtin.shards import Shards, tlf_datasets
from tlf.components import HeldOut
from tlf.errors import DataError
from tlf.testing import check_dataset

PAIRS = {f"{n:03}": ("ants", "bees")[n % 2] for n in range(8)}
"""Key → class."""


def content(key):
    return key.encode() * 5


def pairs(keys):
    """Members in webdataset's layout."""
    members = {}
    for key in keys:
        members |= {f"{key}.jpg": content(key), f"{key}.cls": PAIRS[key].encode()}
    return members


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def shards(tmp_path):
    """Three shards of uneven size, in a folder."""
    keys = list(PAIRS)
    for number, part in enumerate((keys[5:], keys[:1], keys[1:5])):
        write_tar(tmp_path / f"train-{number:03}.tar", pairs(part))
    write_tar(tmp_path / "val.tar", pairs(keys[:2]))
    return tmp_path


def problem(**options):
    with pytest.raises(DataError) as caught:
        Shards(**{name: str(value) for name, value in options.items()}).build()
    return str(caught.value)


def test_tlf_datasets():
    assert tlf_datasets() == {"shards": Shards}


@pytest.mark.parametrize("pattern", ["train-*.tar", "train-{000..002}.tar"])
def test_images_are_sorted_by_class_and_name_whatever_shard_holds_them(shards, pattern):
    splits = Shards(str(shards / pattern), str(shards / "val.tar")).build()
    assert splits.classes == ("ants", "bees")
    keys = ["000", "002", "004", "006", "001", "003", "005", "007"]
    assert tuple(splits.train.names) == tuple(f"{key}.jpg" for key in keys)
    assert tuple(splits.train.labels) == (0,) * 4 + (1,) * 4
    assert [splits.train.read(i) for i in range(8)] == [*map(content, keys)]
    assert tuple(splits.eval.names) == ("000.jpg", "001.jpg")
    assert splits.notes == ()


def test_hash_and_size_are_known_without_reading(shards):
    train = Shards(str(shards / "train-*.tar")).build().train
    data = train.read(0)
    assert (train.read.digest(0), train.read.size(0)) == (sha256(data).digest(), len(data))
    copy = pickle.loads(pickle.dumps(train))
    other = Shards(str(shards / "train-*.tar"), seed=1).build().train
    assert copy.read == train.read != other.read
    assert (copy.read(3), copy.names[3]) == (train.read(3), train.names[3])


def test_a_folder_and_all_kinds_of_shards_hold_the_same(tmp_path, images):
    expected = Folder(str(images)).build()
    for kind, options in shards_of(tmp_path, images).items():
        splits = Shards(**options).build()
        assert splits.classes == expected.classes
        for one, other in ((splits.train, expected.train), (splits.eval, expected.eval)):
            order = range(len(other))
            assert tuple(one.labels) == tuple(other.labels), kind
            assert [one.read(i) for i in order] == [other.read(i) for i in order], kind


def test_a_fraction_is_held_out_as_of_the_same_folder(tmp_path, images):
    files = files_of(images / "train")
    write_tar(tmp_path / "all.tar", dict(sorted(files.items(), reverse=True)))
    splits = Shards(str(tmp_path / "all.tar"), fraction=0.3, seed=2).build()
    expected = Folder(str(images / "train"), fraction=0.3, seed=2).build()
    assert tuple(splits.train.names) == tuple(expected.train.names)
    assert tuple(splits.eval.names) == tuple(expected.eval.names)
    assert [splits.eval.read(i) for i in range(6)] == [expected.eval.read(i) for i in range(6)]
    assert "30% of each class, 6 images in all, were held out" in splits.notes[0]
    with pytest.raises(ValueError, match="fraction must be between 0 and 1, got 1"):
        Shards("all.tar", fraction=1.0)
    with pytest.raises(ValueError, match='train must name shards, got ""'):
        Shards("")
    with pytest.raises(ValueError, match="label must say where it is, got 'json:'; write 'json:s"):
        Shards("all.tar", label="json:")


def test_labels_in_other_members_and_folders(tmp_path):
    members = {"x/a/0.jpg": b"0", "x/a/0.json": b'{"is": {"class": 3}}', "x/a/0.txt": b"dog\n"}
    members |= {"x/b/1.JPG": b"1", "x/b/1.json": b'{"is": {"class": "c"}}', "x/b/1.txt": b" cat"}
    tar = write_tar(tmp_path / "a.tar", members)
    for label, classes in (("json:is.class", ("3", "c")), ("txt", ("cat", "dog")),
                           ("folder", ("a", "b")), ("auto", ("a", "b"))):  # fmt: skip
        assert Shards(tar, label=label).labelled(None).classes == classes
    assert Shards(tar, label="top-folder").labelled(None).classes == ("x",)


def test_numbers_get_their_names_from_a_file(tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("bees\nants\n")
    tar = write_tar(
        tmp_path / "a.tar", {"0.png": b"0", "0.cls": b"1", "1.png": b"1", "1.cls": b"0"}
    )
    val = write_tar(tmp_path / "b.tar", {"0.png": b"2", "0.cls": b"ants"})
    splits = Shards(tar, val, classes=str(names)).build()
    assert (splits.classes, splits.train.read(0)) == (("ants", "bees"), b"0")
    assert problem(train=tar, eval=val).startswith("labels must be numbers in all splits, or names")
    names.write_text("bees\n")
    assert "labels must be numbers from 0 to 0 of data.classes, got '1'; add a" in problem(
        train=tar, classes=names
    )
    assert "labels must be names of data.classes, got 'ants'" in problem(train=val, classes=names)
    names.write_text("bees\n\n")
    assert "got an empty line in line 2" in problem(train=tar, classes=names)
    assert "set data.classes" in problem(train=tar, classes=tmp_path / "no")


def test_hidden_files_and_folders_are_left_out(tmp_path):
    members = {"a/1.jpg": b"1", "a/._1.jpg": b"x", "__MACOSX/a/1.jpg": b"x", ".git/2.jpg": b"x"}
    found = Shards(write_zip(tmp_path / "a.zip", members | {"b/readme.md": b"x"})).labelled(None)
    assert tuple(found.images.names) == ("a/1.jpg",)


def test_one_split_alone(shards):
    dataset = Shards(str(shards / "train-*.tar"), str(shards / "val.tar"))
    for split, count in ((None, 2), ("eval", 2), ("train", 8), ("train-000.tar", 3)):
        assert len(dataset.labelled(split).images) == count
    with pytest.raises(DataError, match=r"there is no file .*/test\.tar"):
        dataset.labelled("test.tar")
    with pytest.raises(DataError, match="there is no split 'val'; write train, eval, or shards"):
        dataset.labelled("val")
    alone = Shards(str(shards / "train-*.tar"))
    assert len(alone.labelled(None).images) == 8
    with pytest.raises(DataError, match=r"no eval split: data\.eval names no shards"):
        alone.labelled("eval")


def test_a_test_split_and_folds_of_held_out_images(shards):
    dataset = Shards(str(shards / "train-{000,001}.tar"), str(shards / "val.tar"))
    splits = dataset.build_with("train-002.tar", ())
    assert tuple(splits.test.names) == ("002.jpg", "004.jpg", "001.jpg", "003.jpg")
    assert splits.held_out is None
    assert dataset.build().test is None
    held_out = Shards(str(shards / "train-*.tar")).build()
    assert held_out.held_out == HeldOut(0.2, held_out.notes[0])
    with pytest.raises(DataError, match=r"val\.tar is in the eval split and in the test split"):
        dataset.build_with("val.tar", ())
    with pytest.raises(DataError, match="must be a pattern for a dataset of kind 'shards'"):
        dataset.build_with(None, ["patient"])


# What is wrong with shards


def test_names_that_are_there_twice(shards):
    write_tar(shards / "train-003.tar", pairs(["004"]))
    message = problem(train=shards / "train-*.tar")
    assert "'004.jpg' is in" in message
    assert "train-002.tar and again in" in message
    write_tar(shards / "twice.tar", [*pairs(["001", "002"]).items(), *pairs(["001"]).items()])
    assert "'001.jpg' is in" in problem(train=shards / "twice.tar")
    write_tar(shards / "more.tar", {"1.jpg": b"1", "1.png": b"2", "1.cls": b"0"})
    assert "1 key with several images, such as '1.jpg', '1.png'; keep one" in problem(
        train=shards / "more.tar"
    )
    write_tar(shards / "more.tar", [("1.jpg", b"1"), ("1.cls", b"0"), ("1.cls", b"1")])
    assert "'1.cls' is there twice" in problem(train=shards / "more.tar")


def test_images_without_labels_and_labels_without_images(shards):
    members = pairs(["001", "002"])
    del members["001.cls"], members["002.jpg"]
    message = problem(train=write_tar(shards / "a.tar", members))
    assert "1 image, such as '001.jpg', without a .cls member of the same key" in message
    assert "1 label, such as '002.cls', without an image of the same key" in message
    message = problem(train=write_tar(shards / "a.tar", {"1.jpg": b"1"}))
    assert "1 image, such as '1.jpg', in no class folder and without a .cls member" in message


@pytest.mark.parametrize(
    ("label", "data", "message"),
    [
        ("txt", b"\xff", "must be text in UTF-8"),
        ("txt", b" ", "must hold a name or a whole number, got ''"),
        ("txt", b"x" * 1001, "a label of at most 1000 characters"),
        ("txt", b"x" * (2**20 + 1), "must hold a label, got 1,048,577 bytes"),
        ("json:a", b"{", "must be JSON"),
        ("json:a", b"[" * 10**5, "must be JSON"),
        ("json:a.b", b'{"a": 1}', "the field 'a.b' of"),
        ("json:a", b'{"a": true}', "must hold a name or a whole number, got True"),
    ],
)
def test_labels_that_cannot_be_read(tmp_path, label, data, message):
    suffix = label.partition(":")[0]
    tar = write_tar(tmp_path / "a.tar", {"1.jpg": b"1", f"1.{suffix}": data})
    assert message in problem(train=tar, label=label)


def test_shards_that_are_missing_empty_compressed_or_unlike(shards):
    assert "there is no file" in problem(train=shards / "no-*.tar")
    assert "must hold images, got none" in problem(train=write_tar(shards / "train-004.tar", {}))
    (shards / "e.tar").write_bytes(b"")
    assert "is empty: it has no bytes" in problem(train=shards / "e.tar")
    for magic, program in ((b"\x1f\x8b", "gunzip"), (b"\x28\xb5\x2f\xfd", "unzstd")):
        (shards / "c.tar").write_bytes(magic + b"x" * 1000)
        assert f"write {program} {shards}/c.tar" in problem(train=shards / "c.tar")
    write_tar(shards / "train-004.tar", {"a/1.jpg": b"1"})
    message = problem(train=shards / "train-*.tar")
    assert "train-004.tar labels are folders" in message
    assert "train-000.tar labels are cls members" in message


@pytest.mark.parametrize("pattern", ["pipe:curl -s http://host/a.tar", "-"])
def test_a_stream_is_refused(pattern):
    assert "is a stream: it has no length" in problem(train=pattern)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.tar")
    assert "it must be a regular file, got a pipe" in problem(train=tmp_path / "a.tar")


def test_a_shard_in_both_splits_and_a_single_class(shards):
    val = shards / "val.tar"
    assert "val.tar is in the train split and in the eval split" in problem(train=val, eval=val)
    one = write_tar(shards / "one.tar", pairs(["000", "002"]))
    assert "train must have at least 2 classes" in problem(train=one, eval=val)
    assert "it must have at least 2 classes" in problem(train=one)


def test_a_shard_that_changes_while_it_is_used_is_an_error(shards):
    images = Shards(str(shards / "train-*.tar")).labelled(None).images
    shard = shards / "train-001.tar"
    data = bytearray(shard.read_bytes())
    data[512] ^= 1
    os.truncate(shard, 0)
    shard.write_bytes(data)
    with pytest.raises(DataError, match=r"train-001\.tar has changed since it was first read"):
        images.read(0)


@pytest.mark.slow
def test_the_contract_of_datasets(tmp_path, images):
    """A second process reads what this one has found."""
    for options in shards_of(tmp_path, images).values():
        check_dataset(Shards(**options))

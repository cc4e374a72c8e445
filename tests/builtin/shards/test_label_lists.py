import json

import pytest

from archives import write_parquet, write_tar, write_zip
from tlf.builtin.csv_file import Csv
from tlf.builtin.shards import Shards
from tlf.builtin.shards.label_lists import text_of_label, text_of_names
from tlf.errors import DataError

SETS = {"1": ("dog", "cat"), "2": (), "3": ("cat",), "4": ("cow", "dog"), "5": ("cow",),
        "6": ("cat", "cow", "dog"), "7": ("cow", "cat"), "8": ("dog",)}  # fmt: skip
"""Key of an image → its classes."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))


def members(suffix, text):
    """The images with a member beside each that ``text`` makes of its classes."""
    files = {}
    for key, names in SETS.items():
        files |= {f"{key}.jpg": key.encode() * 9, f"{key}.{suffix}": text(names).encode()}
    return files


def listed(tmp_path):
    """The same images in a CSV file."""
    for key in SETS:
        (tmp_path / f"{key}.jpg").write_bytes(key.encode() * 9)
    lines = "".join(f"{key}.jpg,{'|'.join(names)}\n" for key, names in SETS.items())
    (tmp_path / "labels.csv").write_text(f"path,label\n{lines}")
    return Csv(str(tmp_path / "labels.csv"), label_separator="|", fraction=0.4)


def of_every_kind(tmp_path):
    """Options of shards with the same labels, written in different ways."""

    def jsons(names):
        return json.dumps({"is": {"classes": names}})

    rows = [(f"{key}.jpg", key.encode() * 9, list(names)) for key, names in SETS.items()]
    texts = [(path, data, "|".join(names)) for path, data, names in rows]
    return {
        "json": {"train": write_tar(tmp_path / "j.tar", members("json", jsons)),
                 "label": "json:is.classes"},
        "cls": {"train": write_tar(tmp_path / "c.tar", members("cls", "|".join)),
                "label_separator": "|"},
        "zip": {"train": write_zip(tmp_path / "t.zip", members("txt", "|".join)), "label": "txt",
                "label_separator": "|"},
        "list column": {"train": write_parquet(tmp_path / "l.parquet", rows)},
        "text column": {"train": write_parquet(tmp_path / "t.parquet", texts),
                        "label_separator": "|"},
    }  # fmt: skip


def shown(splits):
    return [
        (splits.classes, *split.names, *split.labels, *map(split.read, range(len(split))))
        for split in (splits.train, splits.eval)
    ]


def test_shards_of_every_kind_hold_the_same_as_a_csv_file(tmp_path):
    expected = shown(listed(tmp_path).build())
    assert expected[0][0] == ("cat", "cow", "dog")
    for kind, options in of_every_kind(tmp_path).items():
        for _ in range(2):  # with a new index, and with a stored one
            assert shown(Shards(**options, fraction=0.4).build()) == expected, kind
        whole = Shards(**options).labelled(None)
        assert dict(zip(whole.images.names, whole.images.labels, strict=True))["1.jpg"] == (0, 2)


def test_numbers_get_their_names_from_a_file(tmp_path):
    (tmp_path / "names.txt").write_text("dog\ncow\ncat\n")
    tar = write_tar(tmp_path / "a.tar", {
        "1.jpg": b"1", "1.json": b'{"y": [2, 0]}', "2.jpg": b"2", "2.json": b'{"y": []}',
    })  # fmt: skip
    found = Shards(tar, label="json:y", classes=str(tmp_path / "names.txt")).labelled(None)
    assert (found.classes, {*found.images.labels}) == (("cat", "dog"), {(0, 1), ()})
    (tmp_path / "names.txt").write_text("dog\n")
    with pytest.raises(DataError, match=r"labels must be numbers from 0 to 0 of data\.classes"):
        Shards(tar, label="json:y", classes=str(tmp_path / "names.txt")).labelled(None)


def problem(**options):
    with pytest.raises(DataError) as caught:
        Shards(**options).build()
    return str(caught.value)


def test_what_is_refused(tmp_path):
    two = {"1.jpg": b"1", "1.json": b'{"y": ["a"]}', "2.jpg": b"2", "2.json": b'{"y": "a"}'}
    tar = write_tar(tmp_path / "a.tar", two)
    assert "only some .json members hold a list of classes; write" in problem(
        train=tar, label="json:y"
    )
    bad = write_tar(tmp_path / "b.tar", {"1.jpg": b"1", "1.json": b'{"y": ["a; b", "c"]}'})
    assert "must hold names without ';', which separates classes, got 'a; b'" in problem(
        train=bad, label="json:y"
    )
    folders = write_tar(tmp_path / "f.tar", {"a/1.jpg": b"1", "b/2.jpg": b"2"})
    assert "labels are folders here; write data.label" in problem(
        train=folders, label_separator="|"
    )
    assert "data.labels names columns of parquet files" in problem(train=folders, labels=("a", "b"))
    lists = write_tar(tmp_path / "l.tar", members("json", lambda names: json.dumps({"y": names})))
    single = write_tar(tmp_path / "s.tar", {"9.jpg": b"1", "9.json": b'{"y": "cat"}'})
    assert "only the train split has several classes for each image; write them in all" in problem(
        train=lists, eval=single, label="json:y"
    )


def test_options_that_contradict():
    with pytest.raises(ValueError, match="labels must not stand beside label_separator"):
        Shards("a.parquet", labels=("a",), label_separator="|")


def test_text_of_label():
    assert text_of_label(["b", 3, "b"], "") == ("3; b", True)
    assert text_of_label(" ", "|") == (";", True)
    assert text_of_label(7, "|") == ("7", True)
    for wrong in (None, True, {}, "", [[]], [None]):
        with pytest.raises(ValueError, match="must hold a name or a whole number"):
            text_of_label(wrong, "")


def test_text_of_names():
    assert text_of_names(["b", "a"]) == "a; b"
    with pytest.raises(ValueError, match="without ';'"):
        text_of_names([" a"])

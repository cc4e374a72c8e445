import pickle
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archives import write_parquet
from tlf.builtin.shards import Shards, parquet
from tlf.builtin.shards.index import Place
from tlf.builtin.shards.parquet import read_row
from tlf.data.ranges import open_object
from tlf.errors import DataError, StorageError

ROWS = [(f"{n}.jpg", b"%d" % n * 9, "ab"[n % 2]) for n in (3, 1, 2, 0, 4)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))


def found(path, **options):
    return Shards(str(path), **options).labelled(None)


def problem(path, **options):
    with pytest.raises(DataError) as caught:
        found(path, **options)
    return str(caught.value)


def contents(path, **options):
    images = found(path, **options).images
    return [images.read(i)[:1].decode() for i in range(len(images))]


def test_rows_are_sorted_by_class_and_path(tmp_path):
    write_parquet(tmp_path / "x-0.parquet", ROWS[:2])
    write_parquet(tmp_path / "x-1.parquet", ROWS[2:])
    images = found(tmp_path / "x-*.parquet").images
    assert tuple(images.names) == ("a/0.jpg", "a/2.jpg", "a/4.jpg", "b/1.jpg", "b/3.jpg")
    assert contents(tmp_path / "x-*.parquet") == ["0", "2", "4", "1", "3"]
    assert pickle.loads(pickle.dumps(images)).read(1) == b"2" * 9


@pytest.mark.parametrize("paths", [None, "same.jpg"])
def test_rows_without_a_path_of_their_own_stay_in_their_order(tmp_path, paths):
    rows = [(paths, data, label) for _, data, label in ROWS] * 4
    write_parquet(tmp_path / "x-0.parquet", rows[:1])
    write_parquet(tmp_path / "x-1.parquet", rows[1:])
    images = found(tmp_path / "x-*.parquet").images
    assert tuple(images.names[:2]) == ("x-1.parquet[1]", "x-1.parquet[2]")
    assert contents(tmp_path / "x-*.parquet") == list("204" * 4 + "31" * 4)


def test_no_more_than_some_row_groups_are_kept(tmp_path, monkeypatch):
    path = write_parquet(tmp_path / "x.parquet", ROWS * 9, group=3)
    images = found(path).images
    parquet._row_group.cache_clear()
    [images.read(i) for i in range(len(images))]
    assert parquet._row_group.cache_info().currsize == parquet._MOST_GROUPS


def test_a_row_group_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_MOST_BYTES", 100)
    path = write_parquet(tmp_path / "x.parquet", ROWS * 9, group=30)
    assert "at most 100 bytes of images, got " in problem(path)


def test_named_classes_and_other_columns(tmp_path):
    table = datasets.Dataset.from_dict(
        {"photo": [b"0", b"1", b"2"], "kind": [1, 0, 1], "label": [7, 7, 7]},
        features=datasets.Features({
            "photo": datasets.Value("large_binary"),
            "kind": datasets.ClassLabel(names=["cat", "dog"]),
            "label": datasets.Value("int64"),
        }),
    )  # fmt: skip
    path = tmp_path / "x.parquet"
    pq.write_table(table.data.table, path)
    assert found(path).classes == ("cat", "dog")
    assert contents(path) == ["1", "0", "2"]
    assert found(path, label="label").classes == ("7",)
    assert "there is no column 'lable'; did you mean 'label'?" in problem(path, label="lable")
    assert "the column 'kind' must hold bytes, got int64; set data.image" in problem(
        path, image="kind"
    )
    assert "must hold names or whole numbers, got large_binary" in problem(path, label="photo")


def test_columns_that_are_ambiguous_or_missing(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [b"1"], "b": [b"1"], "label": ["x"]}), path)
    assert "which column is the image? Found 'a', 'b'; set data.image" in problem(path)
    pq.write_table(pa.table({"a": [b"1"], "b": ["x"]}), path)
    assert "which column is the label? Found none of 'a', 'b'" in problem(path)


def test_a_second_shard_with_another_schema(tmp_path):
    write_parquet(tmp_path / "x-0.parquet", ROWS)
    write_parquet(tmp_path / "x-1.parquet", [(name, data, 3) for name, data, _ in ROWS])
    message = problem(tmp_path / "x-*.parquet")
    assert "all shards must be alike: in " in message
    assert "x-1.parquet 'image' is struct<bytes: binary, path: string>, 'label' is int64" in message
    pq.write_table(pa.table({"image": [b"1"], "kind": ["x"]}), tmp_path / "x-1.parquet")
    assert "which column is the label? Found none of 'image', 'kind'" in problem(
        tmp_path / "x-*.parquet"
    )


def test_rows_that_lack_an_image_or_a_label(tmp_path):
    path = tmp_path / "x.parquet"
    write_parquet(path, [*ROWS, ("5.jpg", None, "a"), ("6.jpg", b"6", None)])
    message = problem(path)
    assert "1 rows have no image; write it again without them" in message
    assert "1 rows have no label" in message


def test_a_row_that_is_no_longer_there(tmp_path):
    source = open_object(write_parquet(tmp_path / "x.parquet", ROWS))
    for place in (Place(0, 9), Place(0, len(ROWS))):
        with pytest.raises(StorageError, match="not those that were first read; put the old"):
            read_row(source, "image", place)
    for column, place in (("image", Place(99, 0)), ("photo", Place(0, 0))):
        with pytest.raises(StorageError, match=r"cannot be read as parquet .* write it again"):
            read_row(source, column, place)


def test_a_file_that_was_cut_or_is_encrypted(tmp_path):
    path = tmp_path / "x.parquet"
    whole = Path(write_parquet(path, ROWS)).read_bytes()
    path.write_bytes(whole[:-20])
    assert "cannot be read as parquet" in problem(path)
    path.write_bytes(b"PARE" + whole[4:])
    assert "is encrypted" in problem(path)

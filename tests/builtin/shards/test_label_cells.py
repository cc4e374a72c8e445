import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tlf.builtin.hub import Hub
from tlf.builtin.shards import Shards
from tlf.errors import DataError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))


def table(tmp_path, **columns):
    count = len(next(iter(columns.values())))
    images = [{"bytes": b"%d" % n * 9, "path": f"{n}.jpg"} for n in range(count)]
    pq.write_table(pa.table({"image": images, **columns}), tmp_path / "x.parquet")
    return str(tmp_path / "x.parquet")


def problem(train, **options):
    with pytest.raises(DataError) as caught:
        Shards(train, **options).labelled(None)
    return str(caught.value)


def by_name(labelled):
    return {
        name: tuple(labelled.classes[k] for k in label)
        for name, label in zip(labelled.images.names, labelled.images.labels, strict=True)
    }


def test_a_column_for_each_class_in_the_order_of_the_option(tmp_path):
    train = table(tmp_path, dog=[1, 0, 1], cat=[True, False, False], owl=[0, 0, 0])
    found = Shards(train, labels=("dog", "cat")).labelled(None)
    assert found.classes == ("dog", "cat")
    assert by_name(found) == {"0.jpg": ("dog", "cat"), "1.jpg": (), "2.jpg": ("dog",)}
    assert "there is no column 'cow'" in problem(train, labels=("dog", "cow"))
    with pytest.raises(DataError, match="no image has a 1 in the column 'owl'"):
        Shards(train, labels=("dog", "cat", "owl")).build()
    wrong = table(tmp_path, dog=[2, 0], cat=["a", "b"])
    assert "the column 'dog' must hold 0 or 1, got 2" in problem(wrong, labels=("dog",))
    assert "the column 'cat' must hold 0 or 1, got string" in problem(wrong, labels=("cat",))


def test_lists_of_named_classes_as_the_hub_has_them(tmp_path):
    kinds = datasets.List(datasets.ClassLabel(names=["owl", "cat", "dog"]))
    rows = [[0, 2], [], [1], [2, 1]]
    images = [{"bytes": b"%d" % n * 9, "path": f"{n}.jpg"} for n in range(4)]
    features = datasets.Features({"image": datasets.Image(), "labels": kinds})
    made = datasets.Dataset.from_dict({"image": images, "labels": rows}, features=features)
    made.to_parquet(str(tmp_path / "x.parquet"))
    found = Shards(str(tmp_path / "x.parquet")).labelled(None)
    assert by_name(found) == {
        "0.jpg": ("dog", "owl"), "1.jpg": (), "2.jpg": ("cat",), "3.jpg": ("cat", "dog"),
    }  # fmt: skip
    hub = Hub(str(tmp_path / "x.parquet")).labelled(None)
    named = [{hub.classes[k] for k in label} for label in hub.images.labels]
    assert sorted(map(sorted, named)) == sorted(map(sorted, by_name(found).values()))


def test_what_is_refused(tmp_path):
    train = table(tmp_path, label=[["a"], None, ["b"]])
    assert "1 rows have no label" in problem(train)
    assert "data.label_separator divides text, and the column 'label' is list" in problem(
        train, label_separator="|"
    )
    assert "must hold names or whole numbers, got list<" in problem(
        table(tmp_path, label=[[0.5], [1.5]])
    )
    assert "must hold names without ';'" in problem(table(tmp_path, label=[["a;b"], []]))

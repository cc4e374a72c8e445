import io
import os
import pickle
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import datasets
import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tlf.builtin.hub import Hub, tlf_datasets
from tlf.errors import DataError

NAMES = ["cat", "bird", "unused"]


def png(value):
    stream = io.BytesIO()
    Image.new("RGB", (3, 2), (value, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def made(labels, feature=None, first=0):
    feature = feature or datasets.ClassLabel(names=NAMES)
    features = datasets.Features({"id": datasets.Value("int64"), "image": datasets.Image()})
    features["label"] = feature
    images = [{"bytes": png(first + i), "path": None} for i in range(len(labels))]
    columns = {"id": list(range(len(labels))), "image": images, "label": labels}
    return datasets.Dataset.from_dict(columns, features=features)


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """No network, no progress bars, and a cache of its own."""
    used = []

    def refuse(_, address):
        used.append(address)
        raise OSError("no network in these tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: refuse(None, host))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    yield
    # The library ignores errors when it reports usage: check for connections afterwards.
    assert used == []


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "parquet"
    root.mkdir()
    made([0, 1, 0, 1]).to_parquet(root / "train-00000-of-00002.parquet")
    made([1], first=50).to_parquet(root / "train-00001-of-00002.parquet")
    made([1, 0], first=100).to_parquet(root / "validation.parquet")
    return root


def problem(**options):
    with pytest.raises(DataError) as caught:
        Hub(**{name: str(value) for name, value in options.items()}).build()
    return str(caught.value)


def red(split, index):
    return Image.open(io.BytesIO(split.read(index))).getpixel((0, 0))[0]


def test_tlf_datasets():
    assert tlf_datasets() == {"hub": Hub}


def test_a_folder_of_parquet_files(folder):
    splits = Hub(str(folder)).build()
    assert splits.classes == ("cat", "bird")
    assert splits.train.names == ("train[0]", "train[2]", "train[1]", "train[3]", "train[4]")
    assert splits.train.labels == (0, 0, 1, 1, 1)
    assert [red(splits.train, i) for i in range(5)] == [0, 2, 1, 3, 50]
    assert splits.eval.names == ("validation[1]", "validation[0]")
    assert [red(splits.eval, i) for i in range(2)] == [101, 100]
    assert splits.notes == ()


def test_read_gives_the_stored_bytes_and_can_be_pickled(folder):
    train = Hub(str(folder)).build().train
    assert pickle.loads(pickle.dumps(train)).read(1) == train.read(1) == png(2)


def test_splits_in_folders_of_their_names(tmp_path):
    for split in ("train", "test"):
        (tmp_path / "x" / split).mkdir(parents=True)
        made([0, 1]).to_parquet(tmp_path / "x" / split / "0000.parquet")
    splits = Hub(str(tmp_path / "x")).build()
    assert splits.eval.names == ("test[0]", "test[1]")


def test_of_a_single_parquet_file_a_fraction_is_held_out(tmp_path):
    made([0, 1] * 10).to_parquet(tmp_path / "all.parquet")
    splits = Hub(str(tmp_path / "all.parquet"), fraction=0.3).build()
    assert (len(splits.train), len(splits.eval)) == (14, 6)
    assert not {*splits.train.names} & {*splits.eval.names}
    assert "30% of each class, 6 images" in splits.notes[0]


def test_an_arrow_file_without_any_metadata(tmp_path):
    table = pa.table({"image": [png(i) for i in range(4)], "label": ["b", "a", "b", "a"]})
    path = tmp_path / "all.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    splits = Hub(str(path), fraction=0.5).build()
    assert splits.classes == ("a", "b")
    assert red(splits.train, 0) in (1, 3)


def test_a_plain_parquet_file_of_bytes_and_paths(tmp_path):
    (tmp_path / "far.png").write_bytes(png(77))
    cells = [{"bytes": None, "path": str(tmp_path / "far.png")}] * 2
    cells += [{"bytes": png(5), "path": "near.png"}] * 2
    pq.write_table(pa.table({"img": cells, "label": [0, 0, 1, 1]}), tmp_path / "train.parquet")
    splits = Hub(str(tmp_path / "train.parquet"), fraction=0.5).build()
    assert [red(splits.train, 0), red(splits.train, 1)] == [77, 5]


def test_a_folder_that_save_to_disk_wrote(tmp_path):
    both = datasets.DatasetDict({"train": made([0, 1]), "test": made([1, 0], first=9)})
    both.save_to_disk(tmp_path / "saved")
    splits = Hub(str(tmp_path / "saved")).build()
    assert splits.eval.names == ("test[1]", "test[0]")
    made([0, 1] * 3).select([5, 4, 3, 2]).save_to_disk(tmp_path / "one")
    assert len(Hub(str(tmp_path / "one")).build().train) == 2


@pytest.mark.parametrize("fraction", [0, 1, 20])
def test_a_fraction_is_checked_before_a_table_is_opened(fraction):
    with pytest.raises(ValueError, match="fraction must be between 0 and 1"):
        Hub("user/dataset", fraction=fraction)


def test_the_splits_agree_by_class_name_not_by_number(tmp_path):
    swapped = made([0, 1], datasets.ClassLabel(names=["bird", "cat"]), first=30)
    both = datasets.DatasetDict({"train": made([0, 1]), "val": swapped})
    both.save_to_disk(tmp_path / "saved")
    splits = Hub(str(tmp_path / "saved")).build()
    assert splits.classes == ("cat", "bird")
    assert [red(splits.eval, i) for i in range(2)] == [31, 30]
    assert splits.eval.labels == (0, 1)


@pytest.mark.parametrize(
    ("kind", "labels", "classes"),
    [
        ("string", ["b", "a", "B", "a", "b", "B"], ("B", "a", "b")),
        ("int64", [10, 2, 10, 2, 7, 7], ("2", "7", "10")),
    ],
)
def test_names_and_numbers_are_sorted(tmp_path, kind, labels, classes):
    made(labels, datasets.Value(kind)).to_parquet(tmp_path / "t.parquet")
    splits = Hub(str(tmp_path / "t.parquet"), fraction=0.5).build()
    assert splits.classes == classes


def test_columns_can_be_chosen(tmp_path):
    table = made([0, 1, 0, 1]).add_column("kind", ["x", "x", "y", "y"])
    table.rename_column("image", "photo").to_parquet(tmp_path / "t.parquet")
    path = str(tmp_path / "t.parquet")
    assert Hub(path, label="kind", image="photo", fraction=0.5).build().classes == ("x", "y")


def test_several_eval_splits_are_a_note(folder):
    made([0, 1]).to_parquet(folder / "test.parquet")
    splits = Hub(str(folder)).build()
    (note,) = splits.notes
    assert note.startswith("'test' is not used: the eval split is 'validation'; to keep it for")
    assert Hub(str(folder), eval="test").build().eval.names[0] == "test[0]"
    assert Hub(str(folder), eval="fraction").build().eval.names[0].startswith("train[")


def test_names_of_splits_in_upper_case(folder):
    for number in (0, 1):
        name = f"train-0000{number}-of-00002.parquet"
        (folder / name).rename(folder / name.replace("train", "Train"))
    (folder / "validation.parquet").rename(folder / "TEST.parquet")
    splits = Hub(str(folder)).build()
    assert (splits.train.names[0], splits.eval.names[0]) == ("Train[0]", "TEST[1]")
    assert Hub(str(folder), eval="test").build().eval.names == splits.eval.names


def test_classes_of_one_split_only_are_left_to_the_recipe(folder):
    made([1, 2]).to_parquet(folder / "validation.parquet")
    splits = Hub(str(folder)).build()
    assert splits.classes == ("cat", "bird", "unused")
    assert splits.eval.labels == (1, 2)


# What is wrong


def test_unlabelled_rows(folder):
    made([0, 1, -1, None]).to_parquet(folder / "validation.parquet")
    assert "2 rows have no label" in problem(name=folder)


def test_splits_that_are_not_there(folder):
    message = problem(name=folder, train="trian", eval="tset")
    assert "there is no split 'trian'; did you mean 'train'?" in message
    assert "there is no split 'tset'" in message


def test_columns_that_are_not_there(folder):
    assert "did you mean 'label'? Known: id, image, label" in problem(name=folder, label="lable")
    assert "no column 'img'" in problem(name=folder, image="img")
    assert "does not hold images" in problem(name=folder, image="id")


def test_columns_that_are_ambiguous_or_missing(tmp_path):
    table = made([0, 1]).add_column("other", [png(1), png(2)])
    table = table.cast_column("other", datasets.Image())
    table.to_parquet(tmp_path / "two.parquet")
    message = problem(name=tmp_path / "two.parquet")
    assert "which column is the image? Found 'image', 'other'; set data.image" in message
    table.remove_columns(["image", "other"]).to_parquet(tmp_path / "none.parquet")
    assert "none of 'id', 'label'" in problem(name=tmp_path / "none.parquet")


def test_labels_that_are_no_classes(tmp_path):
    made([0.5, 1.5], datasets.Value("float32")).to_parquet(tmp_path / "t.parquet")
    assert "must hold names or whole numbers, got Value" in problem(name=tmp_path / "t.parquet")


def test_files_that_name_no_split_or_cannot_be_read(folder, tmp_path):
    made([0]).to_parquet(folder / "more.parquet")
    assert "which split is this?" in problem(name=folder)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    assert "cannot read" in problem(name=tmp_path / "bad.parquet")
    (tmp_path / "bad.arrow").write_bytes(b"nothing")
    assert "write parquet" in problem(name=tmp_path / "bad.arrow")


def test_paths_that_do_not_exist_are_not_looked_up_on_the_hub(tmp_path):
    assert "there are no parquet or arrow files" in problem(name=tmp_path / "no")
    assert "there are no parquet or arrow files" in problem(name="images.parquet")


def test_an_empty_row_is_an_error_when_it_is_read(tmp_path):
    cells = [{"bytes": None, "path": None}] * 4
    pq.write_table(
        pa.table({"image": cells, "label": ["a", "a", "b", "b"]}), tmp_path / "t.parquet"
    )
    table = str(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="which column is the image"):
        Hub(table).build()
    splits = Hub(table, image="image", fraction=0.5).build()
    with pytest.raises(DataError, match="holds no image"):
        splits.train.read(0)


# The hub


@pytest.fixture
def hub(monkeypatch):
    """A hub that has one dataset; gives the list of calls, in their order."""
    events = []

    def dataset_info(_, name, **options):
        events.append(("asked", name, options["revision"], options["timeout"]))
        files = [SimpleNamespace(size=1_500_000), SimpleNamespace(size=None)]
        return SimpleNamespace(siblings=files, sha="abc123")

    def load_dataset(*arguments, **options):
        events.append(("loaded", arguments, options))
        return datasets.DatasetDict({"train": made([0, 1]), "test": made([0, 1])})

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    return events


def test_a_download_is_announced_before_it_starts(hub, monkeypatch, capsys):
    load = datasets.load_dataset

    def checked(*arguments, **options):
        printed = capsys.readouterr().err
        assert "asking https://huggingface.co for the dataset 'me/pets'" in printed
        assert "revision abc123: at most 1.5 MB in 2 files, to " in printed
        return load(*arguments, **options)

    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "https://huggingface.co")
    monkeypatch.setattr(datasets, "load_dataset", checked)
    splits = Hub("me/pets", config="small", revision="v1").build()
    assert hub[0] == ("asked", "me/pets", "v1", 10)
    assert hub[1] == ("loaded", ("me/pets", "small"), {"revision": "v1"})
    assert splits.eval.names == ("test[0]", "test[1]")


def test_offline_only_the_cache_is_used(hub, monkeypatch, capsys):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    assert len(Hub("me/pets").build().train) == 2
    assert [event[0] for event in hub] == ["loaded"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "cannot load the dataset 'nobody/nothing'"),
        (
            {"HF_ENDPOINT": "http://127.0.0.1:9"},
            "http://127.0.0.1:9 does not give the dataset 'nobody/nothing'",
        ),
    ],
)
def test_without_a_network_the_error_is_quick_and_names_alternatives(
    tmp_path, environment, message
):
    code = "from tlf.builtin.hub import Hub; Hub('nobody/nothing').build()"
    started = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "HF_HOME": str(tmp_path), **environment},
    )
    assert time.monotonic() - started < 20
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("tlf.errors.DataError")
    assert message in last
    assert "parquet file on the disk" in last
    assert "HF_HUB_OFFLINE=1" in last


def test_one_split_alone(tmp_path):
    root = tmp_path / "splits"
    root.mkdir()
    made([0, 1, 0]).to_parquet(root / "train.parquet")
    made([1, 1], first=7).to_parquet(root / "test.parquet")
    found = Hub(str(root)).labelled(None)
    assert (found.classes, found.images.names) == (("bird",), ("test[0]", "test[1]"))
    assert found.images.read(0) == png(7)
    found = Hub(str(root)).labelled("train")
    assert (found.classes, found.images.labels) == (("cat", "bird"), (0, 0, 1))
    with pytest.raises(DataError, match="there is no split 'val'; Known: test, train"):
        Hub(str(root)).labelled("val")
    (root / "test.parquet").unlink()
    assert Hub(str(root)).labelled(None).images.names == ("train[0]", "train[2]", "train[1]")


def test_a_test_split_and_a_column_by_their_names(folder):
    made([0, 1], first=200).to_parquet(folder / "final-0.parquet")
    splits = Hub(str(folder)).build_with("final", ("id",))
    assert [red(splits.test, i) for i in range(2)] == [200, 201]
    assert Hub(str(folder)).labelled("final").images.names == splits.test.names
    assert splits.eval.names == ("validation[1]", "validation[0]")
    assert splits.eval.columns == {"id": ("1", "0")}
    assert splits.train.columns["id"] == ("0", "2", "1", "3", "0")
    (folder / "validation.parquet").unlink()
    splits = Hub(str(folder), fraction=0.5).build_with("final", ())
    assert splits.held_out.note == splits.notes[0]
    assert not any(name.startswith("final") for name in splits.eval.names)


def test_a_test_split_or_column_that_is_none(folder):
    with pytest.raises(DataError, match=r"there is no split 'gone'; .*; set data.test"):
        Hub(str(folder)).build_with("gone", ())
    with pytest.raises(DataError, match="must be another split than that of train, got 'train'"):
        Hub(str(folder)).build_with("Train", ())
    with pytest.raises(DataError, match=r"there is no column 'patient'; .*; set data.group"):
        Hub(str(folder)).build_with(None, ("patient",))
    with pytest.raises(DataError, match=r"data\.group; a pattern over names needs a group in pare"):
        Hub(str(folder)).build_with(None, ("^P[0-9]+",))
    with pytest.raises(DataError, match="the column 'image' must hold text or whole numbers, got"):
        Hub(str(folder)).build_with(None, ("image",))


LISTS = {
    "classes": (datasets.ClassLabel(names=["zebra", "ant", "owl"]), [[0, 1], [], [1], [1, 0]]),
    "names": (datasets.Value("string"), [["zebra", "ant"], [], ["ant"], ["ant", "zebra"]]),
    "numbers": (datasets.Value("int64"), [[10, 2], [], [2], [10, 2]]),
}


@pytest.mark.parametrize("kind", LISTS)
def test_rows_may_have_lists_of_classes(tmp_path, kind):
    feature, lists = LISTS[kind]
    table = made([0] * 4).remove_columns("label")
    table = table.add_column("labels", lists, feature=datasets.List(feature))
    datasets.DatasetDict({"train": table, "val": table}).save_to_disk(tmp_path / "saved")
    splits = Hub(str(tmp_path / "saved")).build()
    classes = {"classes": ("zebra", "ant"), "names": ("ant", "zebra"), "numbers": ("2", "10")}[kind]
    assert splits.classes == classes
    wanted = {tuple(sorted(classes.index(_shown(feature, one)) for one in row)) for row in lists}
    for split in (splits.train, splits.eval, Hub(str(tmp_path / "saved")).labelled("val").images):
        assert {*split.labels} == wanted
        for number, label in enumerate(split.labels):
            row = red(split, number)
            assert label == tuple(sorted(classes.index(_shown(feature, k)) for k in lists[row]))
    held = Hub(str(tmp_path / "saved"), eval="fraction", fraction=0.3).build()
    for split in (held.train, held.eval):
        assert {k for label in split.labels for k in label} == {0, 1}


def _shown(feature, value):
    return feature.int2str(value) if isinstance(feature, datasets.ClassLabel) else str(value)


@pytest.mark.parametrize(
    ("feature", "lists", "message"),
    [
        (datasets.Value("string"), [["a"], None], "1 rows have no list of classes"),
        (datasets.Value("string"), [["a"], ["a;b"]], "must hold no ';' .*: 'a;b'; rename it"),
        (datasets.Value("float64"), [[0.5], []], "must hold lists of names or of whole numbers"),
    ],
)
def test_lists_that_are_no_classes(tmp_path, feature, lists, message):
    table = made([0] * 2).remove_columns("label")
    table = table.add_column("labels", lists, feature=datasets.List(feature))
    table.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=message):
        Hub(str(tmp_path / "t.parquet"), label="labels").build()

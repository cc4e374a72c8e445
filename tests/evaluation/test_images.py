"""The images of an evaluation: a run's own, a folder, a table, a dataset of any kind."""

import pytest

from tlf.builtin.folder import Folder
from tlf.components import Labelled, Split
from tlf.errors import DataError, RecipeError, RunError
from tlf.evaluation.images import align, source_of
from tlf.tasks import TASKS


def names(source):
    return {name.split("/")[0] for name in source.found.images.names}


def test_by_default_the_images_are_the_own_eval_split(finished):
    source = source_of(finished, None, (), None)
    assert (source.title, source.name) == (f"the eval split of {finished}", "eval")
    assert source.run == finished
    assert names(source) == {"val"}
    assert names(source_of(finished / "exports/m.onnx", None, (), "eval")) == {"val"}
    train = source_of(finished, None, (), "train")
    assert (train.name, train.run, names(train)) == ("train", None, {"train"})
    assert (source.split, train.split) == ("eval", "train")
    named = source_of(finished, None, (), "val")
    assert (named.split, names(named)) == (None, {"val"})  # as the dataset calls it


def test_overrides_change_the_data_of_the_run(finished, drawn, tmp_path):
    root = drawn(tmp_path / "more", 2, 1)
    source = source_of(finished, None, [f"data.root={root}"], None)
    assert (len(source.found.images), source.run) == (2, None)
    assert source.title == f"the eval split of {finished} with changed data"
    with pytest.raises(RecipeError, match=r"seed=1: must change \[data\], such as data.root=phot"):
        source_of(finished, None, ["seed=1"], None)
    with pytest.raises(RecipeError, match=r"data\.rot: unknown option of 'folder'"):
        _ = source_of(finished, None, ["data.rot=x"], None).found


def test_a_folder_is_evaluated_whole_where_it_has_no_splits(finished, images, tmp_path):
    source = source_of(finished, images / "val", (), None)
    assert (source.title, source.name) == (str(images / "val"), "val")
    assert (len(source.found.images), source.split) == (11, None)
    assert names(source_of(finished, images, (), None)) == {"val"}
    train = source_of(finished, images, (), "train")
    assert (names(train), train.name) == ({"train"}, f"{images.name}-train")
    with pytest.raises(DataError, match=r"there is no split 'test'; Known: train, val$"):
        _ = source_of(finished, images, (), "test").found


def test_a_table_is_evaluated_with_its_columns(finished, images, tmp_path):
    table = tmp_path / "some.csv"
    table.write_text("image,kind\nval/circles/000.jpg,circles\nval/squares/001.jpg,squares\n")
    options = ["data.path=image", "data.label=kind", f"data.root={images}"]
    source = source_of(finished, table, options, None)
    assert source.found.images.names == ("val/circles/000.jpg", "val/squares/001.jpg")
    assert source.name == "some"
    with pytest.raises(DataError, match=r"there is no column 'path'; .* set data.path"):
        _ = source_of(finished, table, (), None).found


def test_a_table_has_the_columns_of_the_own_table_of_the_run(images, tmp_path):
    (tmp_path / "provenance.json").write_text("{}")
    (tmp_path / "recipe.toml").write_text(
        '[data]\nkind = "csv"\nfile = "own.csv"\npath = "image"\nlabel = "on it"\n'
        'label_separator = "|"\nfraction = 0.5\n'
    )
    table = tmp_path / "new.csv"
    table.write_text(
        "image,on it,kind\nval/circles/000.jpg,a|b,c\nval/circles/001.jpg,,c\n"
        "val/squares/000.jpg,b,d\n"
    )
    root = f"data.root={images}"
    found = source_of(tmp_path, table, [root], None).found
    assert found.classes == ("a", "b")
    assert sorted(found.images.labels) == [(), (0, 1), (1,)]
    others = [root, "data.label=kind", 'data.label_separator=""']
    assert source_of(tmp_path, table, others, None).found.classes == ("c", "d")


def test_where_no_images_are(finished, tmp_path):
    (tmp_path / "notes.md").write_text("x")
    for data, told in ((tmp_path / "gone", "does not exist"), (tmp_path / "notes.md", "is no CSV")):
        with pytest.raises(DataError, match=f"data must be a folder of class folders or .*{told}"):
            _ = source_of(finished, data, (), None).found
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="it has no class folders; write a folder for each class"):
        _ = source_of(finished, tmp_path / "empty", (), None).found
    (tmp_path / "empty" / "circles").mkdir()
    with pytest.raises(DataError, match="its class folders hold no images"):
        _ = source_of(finished, tmp_path / "empty", (), None).found
    with pytest.raises(RunError, match=r"is not in the folder of a run, .* write --data"):
        source_of(tmp_path / "model.onnx", None, (), None)


def test_a_split_under_its_own_name_has_the_fixes_of_the_recipe(finished, images, tmp_path):
    fixes = tmp_path / "fixes.csv"
    fixes.write_text(
        "path,split,label,new_label,leave_out\n"
        "val/circles/000.jpg,eval,circles,squares,\nval/squares/001.jpg,eval,squares,,yes\n"
    )
    of_run = [source_of(finished, None, [f"data.fixes={fixes}"], name) for name in ("eval", "val")]
    folder = source_of(finished, images, [f"data.fixes={fixes}"], None)
    for found in (source.found for source in (*of_run, folder)):
        label = found.images.labels[found.images.names.index("val/circles/000.jpg")]
        assert found.classes[label] == "squares"
        assert "val/squares/001.jpg" not in found.images.names
        (note,) = found.notes
        assert note == f"{fixes} corrects 1 label (eval 1) and leaves out 1 image (eval 1)"


def test_an_empty_name_of_data_is_said_to_be_empty(finished):
    with pytest.raises(DataError, match="or a CSV file, got ''; name one"):
        _ = source_of(finished, "", (), None).found


def test_without_a_run_overrides_name_a_dataset(tmp_path, images):
    options = ["data.kind=folder", f"data.root={images}"]
    source = source_of(tmp_path / "model.onnx", None, options, "val")
    assert len(source.found.images) == 11


def test_a_dataset_without_the_method_has_two_splits(tmp_path, images, monkeypatch):
    monkeypatch.delattr(Folder, "labelled")
    options = ["data.kind=folder", f"data.root={images}"]
    assert names(source_of(tmp_path / "m.onnx", None, options, None)) == {"val"}
    assert names(source_of(tmp_path / "m.onnx", None, options, "train")) == {"train"}
    with pytest.raises(DataError, match="split must be train and eval for a dataset of kind 'fold"):
        _ = source_of(tmp_path / "m.onnx", None, options, "test").found


def test_labels_are_aligned_by_name_and_other_classes_are_counted():
    images = Split(("a", "b", "c", "d"), (0, 1, 2, 2), bytes)
    found = align(
        Labelled(images, ("bee", "ant", "fly")),
        "mine",
        ("ant", "wasp", "bee"),
        TASKS["single-label"],
    )
    assert (found.positions, found.labels, found.names) == ((0, 1), (2, 0), ("a", "b"))
    assert found.unknown == {"fly": 2}
    with pytest.raises(
        DataError, match="mine must have images of classes that the model knows, 'x"
    ):
        align(Labelled(images, ("bee", "ant", "fly")), "mine", ("x", "y"), TASKS["single-label"])

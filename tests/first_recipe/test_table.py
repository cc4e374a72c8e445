"""What the columns of a CSV file are taken for."""

import re

import pytest

from tlf.errors import DataError
from tlf.first_recipe.table import look_at_table


@pytest.fixture
def table(tmp_path):
    """Writes a table of images that are there, with a heading and some rows without paths."""

    def write(heading, *rows, folder="", path="path"):
        (tmp_path / folder).mkdir(exist_ok=True)
        for number, _ in enumerate(rows):
            (tmp_path / folder / f"{number}.jpg").touch()
        lines = [f"{number}.jpg,{row}" for number, row in enumerate(rows)]
        (tmp_path / "t.csv").write_text("\n".join([f"{path},{heading}", *lines]) + "\n")
        return str(tmp_path / "t.csv")

    return write


def data(file, **options):
    found = look_at_table(file, **options)
    return {**dict(found.data), "task": found.task} | ({"test": found.test} if found.test else {})


def test_one_class_for_each_image(table):
    file = table("label", "ant", "bee", "ant")
    assert data(file) == {"kind": "csv", "file": file, "task": "single-label"}
    assert "holds the class of each image" in look_at_table(file).reasons[-1]


def test_other_names_another_folder_and_three_splits(table, tmp_path):
    rows = ("ant,train", "bee,val", "ant,test", "bee,train")
    file = table("Species,Set", *rows, folder="pictures", path="file name")
    assert data(file) == {
        "kind": "csv", "file": file, "root": str(tmp_path / "pictures"), "path": "file name",
        "label": "Species", "split": "Set", "task": "single-label", "test": "test",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (("ant|bee", "ant", "bee|wasp", "wasp"), "|"),
        (("ant; bee", "bee; wasp", "", "wasp; ant"), ";"),
        (("desert fog", "fog", "desert", "desert"), " "),
        (('"ant, bee"', "ant", "bee", "ant"), ","),
        (("golden eagle", "golden retriever", "eagle", "dog"), None),
        (('"Paris, France"', '"Lyon, France"', "Rome", "Bonn"), None),
        (("a|b", "c|d", "e", "f"), None),
    ],
)
def test_several_classes_in_a_cell(table, cells, separator):
    found = data(table("tags", *cells))
    assert found.get("label_separator") == separator
    assert found["task"] == ("multi-label" if separator else "single-label")


def test_a_column_for_each_class(table):
    found = look_at_table(table("ant,bee,owl,note", "1,0,0,x", "1,1,0,y", "0,1,0,z"))
    assert (dict(found.data)["labels"], found.task) == (["ant", "bee"], "multi-label")
    assert found.reasons[-1] == "No image has a 1 in 'owl': left out."


def test_a_split_column_that_names_no_splits_is_left_out(table):
    found = look_at_table(table("label,split", "ant,a", "bee,b", "ant,b"))
    assert dict(found.data)["split"] == ""
    assert "does not name train and val: it holds 'a', 'b'" in found.warnings[0]


@pytest.mark.parametrize("label", [("0", "1", "0", "1"), ("ant", "bee", "ant", "bee")])
def test_a_column_of_yes_and_no_is_the_split_and_no_class(table, label):
    marks = ("False", "False", "True", "True")
    file = table("label,is_valid", *map(",".join, zip(label, marks, strict=True)))
    assert data(file) == {
        "kind": "csv", "file": file, "split": "is_valid", "task": "single-label",
    }  # fmt: skip
    assert look_at_table(file).reasons[0].startswith("The column 'is_valid' says the splits: true")


def test_a_usual_column_of_classes_comes_before_columns_of_0_and_1(table):
    found = look_at_table(table("rare,tags,large", "1,ant,0", "0,bee,1", "1,ant,1"))
    assert (dict(found.data)["label"], found.task) == ("tags", "single-label")
    assert found.reasons[-1] == "Columns of 0 and 1 are not used for classes: 'rare', 'large'."
    assert found.warnings == ()


def test_columns_that_look_like_splits_are_no_classes(table):
    found = look_at_table(table("ant,bee,fold,is_test", "1,0,0,0", "1,1,1,0", "0,1,0,1"))
    assert (dict(found.data)["labels"], dict(found.data)["split"]) == (["ant", "bee"], "is_test")
    assert [text.partition(" looks")[0] for text in found.warnings] == ["The column 'fold'"]
    file = table("set", "a", "b", "a")
    for label in (None, "set"):  # there is no other column
        found = look_at_table(file, label)
        assert (dict(found.data)["label"], found.warnings) == ("set", ())


def test_what_cannot_be_told(table, tmp_path):
    file = table("one,two", "ant,x", "bee,y")
    with pytest.raises(DataError, match="which column holds the classes"):
        look_at_table(file)
    assert dict(look_at_table(file, "two").data)["label"] == "two"
    with pytest.raises(DataError, match=re.escape("there is no column 'too' of classes; did you")):
        look_at_table(file, "too")
    (tmp_path / "t.csv").write_text("id,label\n7,ant\n8,bee\n")
    with pytest.raises(DataError, match=r"no column holds paths of images .*id \('7'\)"):
        look_at_table(file)
    (tmp_path / "t.csv").write_text("path,label\n")
    with pytest.raises(DataError, match="it must list images below its heading"):
        look_at_table(file)
    with pytest.raises(DataError, match="cannot read"):
        look_at_table(str(tmp_path / "no.csv"))

import os
import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tlf.builtin.csv_file import Csv, tlf_datasets
from tlf.errors import DataError

PATHS = ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "b/3.jpg")


@pytest.fixture
def folder(tmp_path):
    for name in PATHS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def write(folder, text, encoding="utf-8"):
    file = folder / "list.csv"
    file.write_text(text, encoding=encoding)
    return str(file)


SPLIT = """path,label,split
a/1.jpg,ant,train
b/1.jpg,bee,train
b/2.jpg,bee,train
a/2.jpg,ant,val
b/3.jpg,bee,val
"""


def problem(**options):
    with pytest.raises(DataError) as caught:
        Csv(**options).build()
    return str(caught.value)


def test_tlf_datasets():
    assert tlf_datasets() == {"csv": Csv}


@pytest.mark.parametrize("separator", [",", ";", "\t", ", "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_column_names_the_split(folder, separator, encoding):
    splits = Csv(write(folder, SPLIT.replace(",", separator), encoding)).build()
    assert splits.classes == ("ant", "bee")
    assert splits.train.names == ("a/1.jpg", "b/1.jpg", "b/2.jpg")
    assert splits.train.labels == (0, 1, 1)
    assert splits.eval.names == ("a/2.jpg", "b/3.jpg")
    assert splits.notes == ()
    assert pickle.loads(pickle.dumps(splits.train)).read(1) == b"b/1.jpg"


def test_the_order_of_lines_does_not_matter(folder):
    heading, *lines = SPLIT.splitlines()
    turned = "\n".join([heading, *reversed(lines)])
    first, second = (Csv(write(folder, text)).build() for text in (SPLIT, turned))
    assert first.train.names == second.train.names
    assert first.train.labels == second.train.labels


def test_without_a_split_column_a_fraction_is_held_out(folder):
    text = "path,label\n" + "".join(f"{path},{path[0]}\n" for path in PATHS)
    splits = Csv(write(folder, text), fraction=0.5).build()
    assert (len(splits.train), len(splits.eval)) == (2, 3)
    assert sorted(set(splits.eval.labels)) == [0, 1]
    assert "50% of each class" in splits.notes[0]


def test_a_split_column_can_be_ignored(folder):
    splits = Csv(write(folder, SPLIT), split="").build()
    assert "were held out" in splits.notes[0]
    assert len(splits.train) + len(splits.eval) == 5


def test_val_comes_before_test(folder):
    text = SPLIT.replace("b/2.jpg,bee,train", "b/2.jpg,bee,test")
    splits = Csv(write(folder, text)).build()
    assert len(splits.eval) == 2
    (note,) = splits.notes
    said = "'test' is not used: the eval split is 'val'; to keep it for the end, write "
    assert note == f"{said}data.test = 'test'"


def test_other_columns_and_another_root(folder, tmp_path_factory):
    text = SPLIT.replace("path,label,split", "file,kind,part")
    file = write(tmp_path_factory.mktemp("lists"), text)
    splits = Csv(file, root=str(folder), path="file", label="kind", split="part").build()
    assert splits.eval.read(0) == b"a/2.jpg"


def test_absolute_paths(folder):
    text = SPLIT.replace("a/1.jpg", str(folder / "a" / "1.jpg"))
    assert Csv(write(folder, text)).build().train.read(0) == b"a/1.jpg"


def test_quoted_labels_may_hold_separators(folder):
    splits = Csv(write(folder, SPLIT.replace(",ant,", ',"ant, red",'))).build()
    assert splits.classes == ("ant, red", "bee")


@pytest.mark.parametrize("first", ["sep=|", '"sep=|"', "SEP=|\r"])
def test_a_first_line_may_say_what_separates_columns(folder, first):
    text = f"{first}\n" + SPLIT.replace(",", "|")
    splits = Csv(write(folder, text)).build()
    assert splits.train.names == ("a/1.jpg", "b/1.jpg", "b/2.jpg")
    assert "line 7: there is no file" in problem(file=write(folder, text.replace("b/3", "b/9")))


def test_separators_in_the_quotes_of_the_heading_do_not_count(folder):
    text = SPLIT.replace("path,", '"path; a; b; c",')
    assert len(Csv(write(folder, "\n" + text), path="path; a; b; c").build().train) == 3


def test_blanks_around_cells_do_not_count(folder):
    text = SPLIT.replace(",", " , ").replace("\n", "\t\n")
    splits = Csv(write(folder, text)).build()
    assert splits.train.names == ("a/1.jpg", "b/1.jpg", "b/2.jpg")
    (folder / "a" / "1.jpg ").write_bytes(b"a name that ends with a blank")
    assert Csv(write(folder, text)).build().train.names[0] == "a/1.jpg "


def test_backslashes_may_separate_folders(folder):
    splits = Csv(write(folder, SPLIT.replace("/", "\\"))).build()
    assert splits.eval.names == ("a\\2.jpg", "b\\3.jpg")  # as the list has them
    assert pickle.loads(pickle.dumps(splits.eval)).read(1) == b"b/3.jpg"


@pytest.mark.parametrize("name", ["Test", "VALIDATION", "val "])
def test_splits_may_be_written_in_upper_case(folder, name):
    text = SPLIT.replace(",val", f",{name}").replace(",train", ",Train")
    assert len(Csv(write(folder, text)).build().eval) == 2


def flagged(folder, column, marks):
    """The same list, with a column of yes and no in place of the splits."""
    heading, *lines = SPLIT.splitlines()
    rows = [f"{line.rpartition(',')[0]},{mark}" for line, mark in zip(lines, marks, strict=True)]
    return write(folder, "\n".join([heading.replace("split", column), *rows]) + "\n")


@pytest.mark.parametrize(
    ("column", "marks", "name"),
    [
        ("is_valid", ("False", "False", "False", "True", "TRUE"), "valid"),
        ("Is_Val", ("0", "0", "0", "1", "1.0"), "val"),
        ("is_train", ("1", "1.0", "true", "0", "false"), "val"),
    ],
)
def test_a_column_may_say_by_yes_and_no_what_is_in_a_split(folder, column, marks, name):
    dataset = Csv(flagged(folder, column, marks), split=column)
    splits = dataset.build()
    assert splits.train.names == ("a/1.jpg", "b/1.jpg", "b/2.jpg")
    assert splits.eval.names == ("a/2.jpg", "b/3.jpg")
    assert (*dataset.labelled(name).images.names,) == splits.eval.names
    assert (*dataset.labelled("train").images.names,) == splits.train.names


def test_a_column_may_say_by_yes_and_no_what_is_kept_for_the_end(folder):
    dataset = Csv(flagged(folder, "is_test", "00011"), split="is_test", fraction=0.5)
    splits = dataset.build_with("test", ())
    assert splits.test.names == ("a/2.jpg", "b/3.jpg")
    assert len(splits.train) + len(splits.eval) == 3


def test_other_words_are_no_yes_and_no(folder):
    file = flagged(folder, "is_valid", ("0", "0", "maybe", "1", "1"))
    told = "line 4: the split must be one of train, val, valid, validation, eval, test, got 'maybe'"
    assert told in problem(file=file, split="is_valid")
    told = "line 2: the split must be one of train, val, valid, validation, eval, test, got '0'"
    assert told in problem(file=flagged(folder, "part", "00011"), split="part")


def test_a_table_of_parquet(folder):
    _, *lines = [line.split(",") for line in SPLIT.splitlines()]
    paths, kinds, splits = zip(*lines, strict=True)
    columns = {"split": pa.array(splits).dictionary_encode(), "path": paths, "image": [b"x"] * 5}
    pq.write_table(pa.table(columns | {"label": kinds}), folder / "list.parquet")
    table, listed = Csv(str(folder / "list.parquet")).build(), Csv(write(folder, SPLIT)).build()
    assert (table.train, table.eval, table.classes) == (listed.train, listed.eval, listed.classes)
    numbers = [1.0, 2.0, 2.0, 1.0, 2.0]  # as pandas stores whole numbers beside missing ones
    pq.write_table(pa.table(columns | {"label": numbers}), folder / "list.PQ")
    assert Csv(str(folder / "list.PQ")).build().classes == ("1", "2")


# What is wrong


def test_a_missing_file():
    assert "cannot read no/list.csv: No such file" in problem(file="no/list.csv")


def test_an_empty_file(folder):
    assert "must name the columns" in problem(file=write(folder, ""))


@pytest.mark.parametrize("text", ["path,label", "path,label,split\n", "path;label\r\n\r\n;\n"])
def test_a_heading_alone(folder, text):
    message = problem(file=write(folder, text))
    assert message.endswith("list.csv must list images below its heading, got none; add a line "
                            "for each")  # fmt: skip


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "list.csv")
    assert "must be a regular file, got a pipe; set data.file" in problem(
        file=str(folder / "list.csv")
    )


def test_a_path_with_a_line_end_or_a_zero_byte_is_shown_in_one_line(folder):
    message = problem(file=write(folder, 'path,label\n"a\nerror: b\0\x1b[2J.jpg",ant\n'))
    assert r"a\nerror: b\x00\x1b[2J.jpg" in message
    assert "\x1b" not in message


def test_a_file_in_another_encoding(folder):
    file = write(folder, SPLIT.replace("ant", "Müller"), "latin-1")
    assert "must be UTF-8" in problem(file=file)
    wide = write(folder, SPLIT, "utf-16-le")
    assert "must be UTF-8, got zero bytes, as UTF-16 has" in problem(file=wide)


def test_missing_columns_are_named_all_at_once(folder):
    message = problem(file=write(folder, SPLIT), path="paht", label="class", split="part")
    assert "no column 'paht'; did you mean 'path'? Known: label, path, split" in message
    assert "no column 'class'" in message
    assert "no column 'part'" in message


def test_missing_files_are_listed(folder):
    message = problem(file=write(folder, SPLIT.replace("a/1", "a/9").replace("b/3", "b/9")))
    assert f"line 2: there is no file {folder / 'a/9.jpg'}" in message
    assert f"line 6: there is no file {folder / 'b/9.jpg'}" in message
    assert "data.root" in message


def test_many_missing_files_are_counted(folder):
    text = SPLIT + "".join(f"c/{i}.jpg,ant,train\n" for i in range(25))
    message = problem(file=write(folder, text))
    assert message.count("there is no file") == 20
    assert "5 more files are missing" in message


def test_wrong_lines_are_named(folder):
    text = SPLIT + "a/1.jpg,ant,train\n,ant,train\nb/1.jpg,,train\na/2.jpg\na/2.jpg,ant,vel\n"
    text += "b/2.jpg,bee,\n"
    message = problem(file=write(folder, text))
    assert "a/1.jpg is in line 2 and again in line 7" in message
    assert "line 8 has no path" in message
    assert "line 9 has no label" in message
    assert "images may have several classes, or none, write data.label_separator" in message
    assert "line 10 has too few columns: 1" in message
    assert (
        "line 11: the split must be one of train, val, valid, validation, eval, test, got 'vel'"
        in (message)
    )
    assert (
        "line 12: the split must be one of train, val, valid, validation, eval, test, got an "
        in (message)
    )


def test_a_file_that_is_listed_under_two_paths(folder):
    for path in ("./a/1.jpg", "a//1.jpg", "b/../a/1.jpg", str(folder / "a/1.jpg"), "a\\1.jpg"):
        message = problem(file=write(folder, f"{SPLIT}{path},bee,train\n"))
        end = f"a/1.jpg is in line 2 and again in line 7, as {path}: 'ant' and 'bee'"
        assert message.splitlines()[1:] == [f"  {end}", "  list each image once"]


@pytest.mark.parametrize("text", ["path label split\na/1.jpg ant train\n", "path|label\n"])
def test_columns_that_nothing_separates(folder, text):
    message = problem(file=write(folder, text))
    assert "got one column, 'path" in message
    assert "separate columns by commas, semicolons or tabs, or write a first line such" in message


def test_a_cell_that_holds_a_separator_without_quotes(folder):
    message = problem(file=write(folder, "path,label\na/1.jpg,ant, red\n"))
    assert "line 2 has too many columns: 3; put a cell that holds a separator in quotes" in message
    assert len(Csv(write(folder, SPLIT.replace("\n", ",,\n"))).build().train) == 3


def test_a_quote_that_is_not_closed_takes_in_no_lines(folder):
    message = problem(file=write(folder, 'path,label\na/1.jpg,"ant\na/2.jpg,ant\na/3.jpg,bee\n'))
    assert 'line 4 ends a cell of several lines; close the quote (") before it' in message


def test_a_column_that_is_there_twice(folder):
    message = problem(file=write(folder, SPLIT.replace("path,label", "label,label")), path="label")
    assert "the column 'label' is there 2 times; rename all but one" in message


def test_a_column_with_one_split_only(folder):
    message = problem(file=write(folder, SPLIT.replace(",val", ",train")))
    assert "the column 'split' must hold train and val, got 'train' only" in message
    assert 'write data.split = ""' in message


def test_a_single_class(folder):
    text = "path,label\na/1.jpg,ant\na/2.jpg,ant\n"
    assert "got 'ant' only; add images of another class" in problem(file=write(folder, text))


def test_parquet_files_that_are_none(folder):
    (folder / "list.parquet").write_bytes(b"path,label")
    assert "list.parquet cannot be read as parquet: " in problem(file=str(folder / "list.parquet"))
    pq.write_table(pa.table({"path": [], "label": []}), folder / "list.parquet")
    assert "must list images, got none" in problem(file=str(folder / "list.parquet"))
    pq.write_table(pa.table({"path": [b"\xff\xd8"], "label": [0]}), folder / "list.parquet")
    message = problem(file=str(folder / "list.parquet"))
    assert "the column 'path' must hold text or whole numbers, got binary; if it" in message
    assert 'write data.kind = "hub" and data.name = "' in message
    pq.write_table(pa.table({"path": ["a"], "label": [None]}), folder / "list.parquet")
    message = problem(file=str(folder / "list.parquet"))
    assert "row 0 has no label" in message
    assert f"row 0: there is no file {folder / 'a'}" in message


def only(file, split=None, **options):
    found = Csv(file, **options).labelled(split)
    return found.classes, tuple(found.images.names), tuple(found.images.labels)


def test_one_split_alone(folder):
    file = write(folder, SPLIT)
    assert only(file) == (("ant", "bee"), ("a/2.jpg", "b/3.jpg"), (0, 1))
    assert only(file, "train")[1] == ("a/1.jpg", "b/1.jpg", "b/2.jpg")
    assert Csv(file).labelled("val").images.read(1) == b"b/3.jpg"
    assert only(file, "Val") == only(file, "val")
    with pytest.raises(DataError, match=r"there is no split 'test'; Known: train, val$"):
        only(file, "test")


def test_without_a_split_column_all_images_are_labelled(folder):
    file = write(folder, "path,label\na/1.jpg,ant\na/2.jpg,ant\n")
    assert only(file) == (("ant",), ("a/1.jpg", "a/2.jpg"), (0, 0))
    assert only(write(folder, SPLIT), split=None)[1] == ("a/2.jpg", "b/3.jpg")
    with pytest.raises(DataError, match="there is no split 'val'; no column names the splits; lea"):
        only(write(folder, "path,label\na/1.jpg,ant\n"), "val")
    train = "path,label,split\na/1.jpg,ant,train\nb/1.jpg,bee,train\n"
    assert only(write(folder, train))[1] == ("a/1.jpg", "b/1.jpg")


PATIENTS = """path,label,split,patient
a/1.jpg,ant,train,p1
b/1.jpg,bee,train,p2
b/2.jpg,bee,Final,p3
a/2.jpg,ant,val,p4
b/3.jpg,bee,val,
"""


def test_a_test_split_and_a_column_by_their_names(folder):
    splits = Csv(write(folder, PATIENTS)).build_with("final", ("patient",))
    assert (splits.test.names, splits.test.labels) == (("b/2.jpg",), (1,))
    assert splits.train.columns == {"patient": ("p1", "p2")}
    assert splits.eval.columns == {"patient": ("p4", "")}
    assert splits.test.read(0) == b"b/2.jpg"
    assert only(write(folder, PATIENTS), "Final") == (("bee",), ("b/2.jpg",), (0,))
    assert Csv(write(folder, SPLIT)).build().train.columns == {}


def test_beside_train_and_test_alone_a_fraction_of_rows_is_held_out(folder):
    text = SPLIT.replace(",val", ",test").replace("b/2.jpg,bee", "b/2.jpg,ant")
    splits = Csv(write(folder, text), fraction=0.5).build_with("test", ())
    assert (len(splits.train), len(splits.eval), len(splits.test)) == (2, 1, 2)
    assert splits.held_out.note == splits.notes[0]


@pytest.mark.parametrize(
    ("options", "asked", "message"),
    [
        ({}, ("gone", ()), "line 4: the split must be one of train, val, .*, gone, got 'Final'"),
        ({}, ("train", ()), "line 4"),
        (
            {"split": ""},
            ("final", ()),
            "data.test must be a fraction where no column names the spl",
        ),
        (
            {},
            ("final", ("patent",)),
            "there is no column 'patent'; did you mean 'patient'.*data.gro",
        ),
        ({}, (None, ("^P[0-9]+",)), "data.group; a pattern over names needs a group in parenthe"),
    ],
)
def test_a_test_split_or_column_that_is_none(folder, options, asked, message):
    with pytest.raises(DataError, match=message):
        Csv(write(folder, PATIENTS), **options).build_with(*asked)


def test_a_test_split_without_rows_is_named(folder):
    with pytest.raises(DataError, match=r"there is no split 'test'; .*; set data.test"):
        Csv(write(folder, SPLIT)).build_with("test", ())
    with pytest.raises(DataError, match=r"data.test must be another split than that of train, got"):
        Csv(write(folder, SPLIT)).build_with("Train", ())


SETS = """path;label;split
a/1.jpg;cat|dog;train
a/2.jpg;;train
b/1.jpg; dog ;train
b/2.jpg;dog|cat;val
b/3.jpg;ape;val
"""
COLUMNS = """path,dog,cat,ape,split
a/1.jpg,1,1,0,train
a/2.jpg,0,0,0,train
b/1.jpg,1,0,0,train
b/2.jpg,1.0,TRUE,0,val
b/3.jpg,0,false,1,val
"""


@pytest.mark.parametrize(
    ("text", "options", "classes"),
    [
        (SETS, {"label_separator": "|"}, ("ape", "cat", "dog")),
        (COLUMNS, {"labels": ("dog", "cat", "ape")}, ("dog", "cat", "ape")),
    ],
)
def test_an_image_may_have_several_classes_or_none(folder, text, options, classes):
    dataset = Csv(write(folder, text), **options)
    splits = dataset.build()
    assert splits.classes == classes
    found = {
        name: {classes[k] for k in label}
        for split in (splits.train, splits.eval)
        for name, label in zip(split.names, split.labels, strict=True)
    }
    assert found == {
        "a/1.jpg": {"cat", "dog"}, "a/2.jpg": set(), "b/1.jpg": {"dog"},
        "b/2.jpg": {"cat", "dog"}, "b/3.jpg": {"ape"},
    }  # fmt: skip
    assert all(splits.train.read(i) == splits.train.names[i].encode() for i in range(3))
    assert all(label == (*sorted(label),) for label in splits.train.labels)
    own = dataset.labelled("train")
    assert {*own.classes} == {"cat", "dog"}
    assert [len(label) for label in own.images.labels] == [
        len(found[name]) for name in own.images.names
    ]


def test_classes_are_held_out_where_images_have_several(folder):
    text = "path,label\n" + "".join(f"{path},{n % 2}; all\n" for n, path in enumerate(PATHS))
    splits = Csv(write(folder, text), label_separator=";").build()
    assert splits.classes == ("0", "1", "all")
    assert {k for label in splits.eval.labels for k in label} == {0, 1, 2}
    assert {k for label in splits.train.labels for k in label} == {0, 1, 2}


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (COLUMNS.replace("1,1,0,train", "1,2,,train"), {"labels": ("dog", "cat", "ape")},
         "2 problems\n  line 2: the column 'cat' must hold 0 or 1, got '2'\n"
         "  line 2: the column 'ape' must hold 0 or 1, got ''"),
        (COLUMNS, {"labels": ("dog", "cow")},
         "there is no column 'cow'; Known: ape, cat, dog, path, split; set "
         "data.labels.1"),
        (COLUMNS.replace("0,false,1,val", "0,false,0,val"), {"labels": ("dog", "cat", "ape")},
         "no image has a 1 in the column 'ape'; leave it out of data.labels"),
        (SETS + "a/1.jpg;cat;val\n", {"label_separator": "|"},
         "2 problems\n  a/1.jpg is in line 2 and again in line 7: 'cat; dog' and 'cat'\n"
         "  list each image once"),
        (SETS.replace("ape", '"ape;man"'), {"label_separator": "|"},
         "line 6: the name of a class must not hold ';', got 'ape;man'; rename it, or write "
        "data.label_separator = ';'"),
        (SETS.replace("cat|dog", "dog").replace("dog|cat", ""), {"label_separator": "|"},
         "train must have at least 2 classes, got 'dog' only; add images of another class"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_named(folder, text, options, message):
    assert problem(file=write(folder, text), **options).endswith(message)


@pytest.mark.parametrize("fraction", [0, 1, 20])
def test_a_fraction_is_checked_before_the_list_is_read(fraction):
    for options in ({}, {"label_separator": ";"}):
        with pytest.raises(ValueError, match="fraction must be between 0 and 1"):
            Csv("list.csv", fraction=fraction, **options)


def test_labels_are_said_in_one_way():
    with pytest.raises(ValueError, match="labels must not stand beside label_separator"):
        Csv("list.csv", labels=("a",), label_separator=";")
    with pytest.raises(ValueError, match="labels must name each column once"):
        Csv("list.csv", labels=("a", "a"))
    for wrong in ("cat;dog", " cat", ""):
        with pytest.raises(ValueError, match="labels must hold names without ';'"):
            Csv("list.csv", labels=("a", wrong))

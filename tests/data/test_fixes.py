"""Corrected labels and images that are left out."""

import pickle
from dataclasses import replace

import pytest

from tlf.components import Labelled, Split, Splits
from tlf.data.fixes import labelled_with_fixes, notes_of_fixes, with_fixes
from tlf.data.fixes_file import COLUMNS, Fix, write_fixes
from tlf.errors import DataError
from tlf.tasks.multi_label import MultiLabel
from tlf.tasks.single_label import SingleLabel

TASK = SingleLabel()
HEADING = ",".join(COLUMNS)


def read(index):
    """The bytes of an image."""
    return b"%d" % index


def splits(classes=("ant", "bee", "fly")):
    """Train: two of each class; eval: one of each."""
    train = Split(tuple(f"t{i}.jpg" for i in range(6)), (0, 0, 1, 1, 2, 2), read)
    return Splits(train, Split(("e0.jpg", "e1.jpg", "e2.jpg"), (0, 1, 2), read), classes, ("own",))


@pytest.fixture
def fixes(tmp_path):
    """Write the rows of a file below its heading; give its path."""

    def write(*rows, heading=HEADING):
        path = tmp_path / "fixes.csv"
        path.write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8")
        return str(path)

    return write


def problem(file, given=None):
    with pytest.raises(DataError) as caught:
        with_fixes(given or splits(), file, TASK)
    return str(caught.value).replace(file, "FILE")


def test_several_classes_may_stand_in_another_order(fixes):
    one = Split(("a.jpg", "b.jpg", "c.jpg"), ((0, 1), (0,), (1,)), bytes)
    given = Splits(one, one, ("ant", "bee"))
    row = "train,a.jpg,bee;ant,bee,,"
    assert with_fixes(given, fixes(row), MultiLabel()).train.labels[0] == (1,)
    with pytest.raises(DataError, match=r"a\.jpg has the label 'ant; bee', the row says 'bee'"):
        with_fixes(given, fixes("train,a.jpg,bee,ant,,"), MultiLabel())


def test_labels_are_corrected_and_images_left_out(fixes):
    file = fixes(
        "train,t1.jpg,ant,fly,,looks like a fly",
        "train,t2.jpg,bee,,yes,",
        "train,t3.jpg,bee,,,nothing to do",
        "eval,e2.jpg,fly,bee,,",
    )
    fixed = with_fixes(splits(), file, TASK)
    assert fixed.train.names == ("t0.jpg", "t1.jpg", "t3.jpg", "t4.jpg", "t5.jpg")
    assert fixed.train.labels == (0, 2, 1, 2, 2)
    train = pickle.loads(pickle.dumps(fixed.train))
    assert [train.read(i) for i in range(5)] == [b"0", b"1", b"3", b"4", b"5"]
    assert (fixed.eval.names, fixed.eval.labels) == (splits().eval.names, (0, 1, 1))
    assert fixed.classes == ("ant", "bee", "fly")
    assert fixed.notes == (
        "own",
        f"{file} corrects 2 labels (train 1, eval 1) and leaves out 1 image (train 1)",
    )


def test_a_file_without_changes_says_so(fixes):
    for rows in ((), ("train,t1.jpg,ant,,,look at it", "eval,e1.jpg,bee,bee,,")):
        fixed = with_fixes(splits(), fixes(*rows), TASK)
        assert (fixed.train, fixed.eval) == (splits().train, splits().eval)
        assert fixed.notes[1].endswith("changes nothing: no row has a new_label or leave_out")


def test_several_files_are_applied_one_after_the_other(fixes, tmp_path):
    first = fixes("train,t1.jpg,ant,fly,,", "train,t5.jpg,fly,,yes,")
    second = tmp_path / "second.csv"
    write_fixes(second, [Fix("train", "t1.jpg", "fly", "bee")])
    assert with_fixes(splits(), (first, str(second)), TASK).train.labels == (0, 1, 1, 1, 2)
    assert "t1.jpg has the label 'ant', the row says 'fly'" in problem(str(second))


def test_blanks_around_a_class_count_where_it_has_them(fixes):
    given = splits((" ant", "bee ", "fly"))
    found = with_fixes(
        given, fixes('train,t0.jpg," ant","bee ",,', 'train,t4.jpg," fly ", " ant",,'), TASK
    )
    assert found.train.labels == (1, 0, 1, 1, 0, 2)
    message = problem(fixes("train,t0.jpg,ant,,yes,"), given)
    assert "t0.jpg has the label ' ant', the row says 'ant'" in message


def test_spreadsheets_write_other_separators_marks_and_blanks(fixes):
    rows = ("train;t1.jpg;ant; fly ;;;", "Eval; e2.jpg ;fly;;YES;a; b")
    file = fixes(rows[0], rows[1][:-3], heading="\ufeff" + HEADING.replace(",", ";"))
    fixed = with_fixes(splits(), file, TASK)
    assert (fixed.train.labels[1], fixed.eval.names) == (2, ("e0.jpg", "e1.jpg"))


def test_columns_may_stand_in_another_order_and_have_no_reason(fixes):
    file = fixes("yes,,ant,t1.jpg,train", heading="leave_out,new_label,label,path,split")
    assert len(with_fixes(splits(), file, TASK).train) == 5


def test_a_class_without_images_is_no_class_any_more(fixes):
    rows = ("train,t4.jpg,fly,bee,,", "train,t5.jpg,fly,,yes,", "eval,e2.jpg,fly,bee,,")
    fixed = with_fixes(splits(), fixes(*rows), TASK)
    assert fixed.classes == ("ant", "bee")
    assert (fixed.train.labels, fixed.eval.labels) == ((0, 0, 1, 1, 1), (0, 1, 1))
    assert fixed.notes[2].endswith("leaves no image of 'fly': no class has this name")


def test_two_classes_must_be_left(fixes):
    rows = [f"train,t{i}.jpg,{'bee' if i < 4 else 'fly'},,yes," for i in (2, 3, 4, 5)]
    file = fixes(*rows, "eval,e1.jpg,bee,ant,,", "eval,e2.jpg,fly,ant,,")
    assert problem(file).startswith("train must have at least 2 classes, got 'ant' only")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("train,t9.jpg,ant,,yes,", "line 2: there is no image t9.jpg in the train split"),
        ("eval,t1.jpg,ant,,yes,", "line 2: there is no image t1.jpg in the eval split"),
        ("train,t1.jpg,bee,,yes,", "line 2: t1.jpg has the label 'ant', the row says 'bee'"),
        (
            "train,t1.jpg,ant,bees,,",
            "line 2: new_label must be a class of the dataset, got 'bees'; did you mean 'bee'? "
            "Known: ant, bee, fly",
        ),
        ("val,t1.jpg,ant,,yes,", "line 2: split must be train, eval or test, got 'val'"),
        ("train,t1.jpg,ant,,no,", "line 2: leave_out must be yes or empty, got 'no'"),
        ("train,t1.jpg,ant,bee,yes,", "line 2: an image is either left out or has a new_label; "),
        ("train, ,ant,,yes,", "line 2: it has no path"),
        ("train,t1.jpg,,,yes,", "line 2: it has no label; write the class that the dataset gives"),
        ("train,t1.jpg", "line 2 has too few columns: 2"),
        (
            "train,t1.jpg,ant,,yes,\ntrain,t1.jpg,ant,,,",
            "line 3: t1.jpg is in line 2, too; remove one of them",
        ),
    ],
)
def test_each_line_that_does_not_fit_is_named(fixes, row, expected):
    assert problem(fixes(row)).startswith(f"FILE: {expected}")


def test_all_lines_are_named_at_once(fixes):
    found = problem(fixes(*(f"train,gone{i},ant,,yes," for i in range(30)))).splitlines()
    assert found[:2] == [
        "FILE: 21 problems",
        "  line 2: there is no image gone0 in the train split",
    ]
    assert found[-1] == "  10 more lines have problems"


def test_columns_that_do_not_fit(fixes):
    for row, heading in (("1,2,3,4,5", "split,path,label,newlabel,leave_out"), ("", "<html>,<b>")):
        found = problem(fixes(row, heading=heading))
        assert found.startswith(f"FILE: it must have the columns {', '.join(COLUMNS)}, got no '")
    twice = problem(fixes("1,2,3,4,5,6,7", heading=f"{HEADING},path"))
    assert twice == "FILE: the column 'path' is there 2 times; rename all but one"
    assert problem(fixes(heading="<!doctype html>")).startswith("FILE must have columns of paths")


def test_files_that_cannot_be_read(fixes, tmp_path):
    (tmp_path / "empty.csv").touch()
    assert problem(str(tmp_path / "empty.csv")).startswith("FILE is empty; its first line must")
    assert problem(str(tmp_path / "gone.csv")) == (
        "cannot read FILE: No such file or directory; set data.fixes"
    )
    assert problem(str(tmp_path)).startswith("cannot read FILE: ")


def test_something_must_be_left(fixes):
    rows = [f"eval,e{i}.jpg,{name},,yes," for i, name in enumerate(("ant", "bee", "fly"))]
    assert problem(fixes(*rows)) == "FILE: it leaves out every image of the eval split"


def test_names_are_those_that_tables_show(tmp_path):
    """Also names with quotes, blanks, markup, emoji and control characters come back."""
    names = (" a.jpg", "a.jpg", '"><img src=x>', "b,;\t🐜.jpg", "c\n.jpg", "=1+1")
    classes = ('"an, t"', "b\x1bee", "<script>")
    given = Splits(Split(names, (0, 0, 1, 1, 2, 2), read), splits().eval, classes)
    shown = {" a.jpg": '"an, t"', "b,;\\t🐜.jpg": "b\\x1bee", "c\\n.jpg": "<script>"}
    write_fixes(tmp_path / "f.csv", [Fix("train", *row, leave_out="yes") for row in shown.items()])
    fixed = with_fixes(given, str(tmp_path / "f.csv"), TASK)
    assert fixed.train.names == ("a.jpg", '"><img src=x>', "=1+1")


def test_two_images_of_one_name_cannot_be_told_apart(fixes):
    given = Splits(Split(("a", "a", "b"), (0, 0, 1), read), splits().eval, ("ant", "bee", "fly"))
    found = problem(fixes("train,a,ant,,yes,"), given)
    assert found == "FILE: line 2: several images are called a in the train split"


def test_the_images_of_one_split_are_fixed_by_their_paths(fixes):
    """Whatever the split is called, and with a class that no image of it had."""
    found = Labelled(Split(("e0.jpg", "e1.jpg", "e2.jpg"), (0, 1, 0), read), ("ant", "bee"))
    file = fixes("eval,e0.jpg,ant,fly,,", "eval,e1.jpg,bee,,yes,", "train,t1.jpg,ant,bee,,")
    fixed = labelled_with_fixes(found, file)
    assert (fixed.images.names, fixed.images.labels) == (("e0.jpg", "e2.jpg"), (2, 0))
    assert fixed.classes == ("ant", "bee", "fly")
    assert [fixed.images.read(index) for index in range(2)] == [b"0", b"2"]
    assert fixed.notes == (f"{file} corrects 1 label (eval 1) and leaves out 1 image (eval 1)",)
    with pytest.raises(DataError, match=r"e1\.jpg has the label 'bee', the row says 'ant'"):
        labelled_with_fixes(found, fixes("eval,e1.jpg,ant,fly,,"))
    twice = replace(found, images=replace(found.images, names=("e0.jpg", "e1.jpg", "e1.jpg")))
    with pytest.raises(DataError, match=r"several images are called e1\.jpg"):
        labelled_with_fixes(twice, fixes("eval,e1.jpg,bee,fly,,"))


def test_rows_of_other_splits_are_about_other_images_where_names_do_not_say_where_they_are(fixes):
    found = Labelled(Split(("0.jpg", "1.jpg", "2.jpg"), (0, 1, 0), read), ("ant", "bee"), ("own",))
    rows = ("train,0.jpg,ant,bee,,", "train,1.jpg,bee,,yes,", "train,9.jpg,ant,,yes,")
    file = fixes(*rows, "eval,2.jpg,ant,bee,,")
    assert labelled_with_fixes(found, file, "eval").images.labels == (0, 1, 1)
    same = labelled_with_fixes(found, file, "test-*.tar")
    assert (same.images, same.classes) == (found.images, found.classes)
    others = "are about images of other splits that are called the same"
    assert same.notes == (
        "own",
        f"{file} changes none of these images; 3 of its rows {others}",
    )
    (_, note) = labelled_with_fixes(found, fixes("eval,2.jpg,ant,bee,,"), "test").notes
    assert note.endswith(
        "; 1 of its rows is about an image of another split that is called the same"
    )


def test_the_notes_about_fixes_are_found_among_others(fixes):
    file = fixes("train,t1.jpg,ant,fly,,")
    found = with_fixes(splits(), file, TASK)
    assert notes_of_fixes(found, [file]) == notes_of_fixes(found, file) == found.notes[1:]
    assert notes_of_fixes(found, ()) == ()


def test_a_label_of_one_split_may_name_several_classes_that_no_image_of_it_had(fixes):
    found = Labelled(Split(("e0.jpg", "e1.jpg"), ((0,), (0, 1)), read), ("ant", "bee"))
    fixed = labelled_with_fixes(found, fixes("eval,e0.jpg,ant,fly; ant; owl; fly,,"))
    assert fixed.classes == ("ant", "bee", "fly", "owl")
    assert fixed.images.labels == ((0, 2, 3), (0, 1))


def test_a_row_follows_its_image_into_another_split_where_the_recipe_moves_images(fixes):
    given = replace(splits(), test=Split(("x0.jpg", "x1.jpg"), (0, 1), read))
    file = fixes("eval,t1.jpg,ant,fly,,", "train,x1.jpg,bee,,yes,", "test,x0.jpg,ant,bee,,")
    fixed = with_fixes(given, file, TASK, moved=True)
    assert fixed.train.labels == (0, 2, 1, 1, 2, 2)
    assert (fixed.test.names, fixed.test.labels) == (("x0.jpg",), (1,))
    assert "there is no image t1.jpg in the eval split" in problem(file, given)
    assert "there is no test split; write train or eval" in problem(fixes("test,t1.jpg,ant,,yes,"))

import os
import pickle

import pytest

from places import HYMENOPTERA
from tlf.builtin.folder import Folder, tlf_datasets
from tlf.errors import DataError


def plant(root, *names):
    """Empty files: a dataset decodes nothing."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


@pytest.fixture
def root(tmp_path):
    return plant(
        tmp_path,
        *("train/bees/2.jpg", "train/bees/1.PNG", "train/ants/1.jpg"),
        *("val/ants/9.gif", "val/bees/8.jpg"),
    )


def problem(**options):
    with pytest.raises(DataError) as caught:
        Folder(**{name: str(value) for name, value in options.items()}).build()
    return str(caught.value)


def test_tlf_datasets():
    assert tlf_datasets() == {"folder": Folder}


def test_two_splits(root):
    splits = Folder(str(root)).build()
    assert splits.classes == ("ants", "bees")
    assert splits.train.names == ("train/ants/1.jpg", "train/bees/1.PNG", "train/bees/2.jpg")
    assert splits.train.labels == (0, 1, 1)
    assert splits.eval.names == ("val/ants/9.gif", "val/bees/8.jpg")
    assert splits.notes == ()
    assert splits.train.read(2) == b"train/bees/2.jpg"
    assert pickle.loads(pickle.dumps(splits.eval)).read(0) == b"val/ants/9.gif"


@pytest.mark.parametrize("name", ["valid", "validation", "eval", "test"])
def test_the_eval_folder_is_found_by_its_usual_names(root, name):
    (root / "val").rename(root / name)
    assert Folder(str(root)).build().eval.names[0] == f"{name}/ants/9.gif"


def test_val_comes_before_test_and_a_note_names_test(root):
    plant(root, "test/ants/5.jpg", "test/bees/5.jpg")
    splits = Folder(str(root)).build()
    assert splits.eval.names[0] == "val/ants/9.gif"
    (note,) = splits.notes
    said = "'test' is not used: the eval split is 'val'; to keep it for the end, write "
    assert note == f"{said}data.test = 'test'"
    assert Folder(str(root), eval="test").build().eval.names[0] == "test/ants/5.jpg"


def test_other_names_are_set_in_the_recipe(root):
    (root / "train").rename(root / "first")
    (root / "val").rename(root / "second")
    splits = Folder(str(root), train="first", eval="second").build()
    assert (len(splits.train), len(splits.eval)) == (3, 2)


def test_of_class_folders_alone_a_fraction_is_held_out(tmp_path):
    plant(tmp_path, *(f"{kind}/{i}.jpg" for kind in ("ants", "bees") for i in range(10)))
    splits = Folder(str(tmp_path), fraction=0.3, seed=1).build()
    assert (len(splits.train), len(splits.eval)) == (14, 6)
    assert sorted(splits.eval.labels) == [0, 0, 0, 1, 1, 1]
    assert not {*splits.train.names} & {*splits.eval.names}
    assert "30% of each class, 6 images" in splits.notes[0]
    assert "data.seed = 1" in splits.notes[0]


def test_which_images_are_held_out_does_not_depend_on_the_place_of_the_folder(tmp_path):
    names = [f"{kind}/{i}.jpg" for kind in ("ants", "bees") for i in range(10)]
    here, there = plant(tmp_path / "a", *names), plant(tmp_path / "b" / "c", *reversed(names))
    first, second = Folder(str(here)).build(), Folder(str(there)).build()
    assert first.eval.names == second.eval.names


def test_of_a_train_folder_alone_a_fraction_is_held_out(tmp_path):
    plant(tmp_path, *(f"train/{kind}/{i}.jpg" for kind in ("ants", "bees") for i in range(5)))
    splits = Folder(str(tmp_path)).build()
    assert (len(splits.train), len(splits.eval)) == (8, 2)


def test_eval_fraction_holds_out_train_images(root):
    plant(root, "train/ants/2.jpg")
    splits = Folder(str(root), eval="fraction", fraction=0.5).build()
    assert all(name.startswith("train/") for name in splits.eval.names)


def test_folders_in_a_class_belong_to_it(root):
    plant(root, "train/ants/red/deep/7.webp")
    assert "train/ants/red/deep/7.webp" in Folder(str(root)).build().train.names


def test_hidden_files_and_what_systems_leave_is_ignored(root):
    before = Folder(str(root)).build()
    plant(
        root,
        *(".ipynb_checkpoints/x/a.jpg", "train/.ipynb_checkpoints/a.jpg", "train/ants/._1.jpg"),
        *("__MACOSX/a.jpg", "train/__MACOSX/b.jpg", "val/bees/@eaDir/8.jpg"),
    )
    after = Folder(str(root)).build()
    assert (after.train.names, after.eval.names, after.notes, after.classes) == (
        (before.train.names, before.eval.names, (), before.classes)
    )


def test_files_that_are_no_images_are_left_out_and_counted(root):
    plant(root, "train/ants/Thumbs.db", "train/ants/a.txt", "train/bees/b.txt", "train/LICENSE")
    plant(root, "val/x.jpg", "readme.md")
    splits = Folder(str(root)).build()
    assert len(splits.train) == 3
    assert splits.notes == (
        "train: left out files that are not images by their suffix: "
        "1 .db, 2 .txt, 1 without a suffix",
        "val: left out 1 in no class folder: 'val/x.jpg'",
    )


def test_heic_is_kept_so_that_the_image_check_reports_it(root):
    plant(root, "train/ants/IMG_1.HEIC")
    assert "train/ants/IMG_1.HEIC" in Folder(str(root)).build().train.names


def test_links_are_followed_but_not_in_circles(root, tmp_path_factory):
    elsewhere = plant(tmp_path_factory.mktemp("elsewhere"), "far/5.jpg", "6.jpg")
    os.symlink(elsewhere / "6.jpg", root / "train" / "ants" / "6.jpg")
    os.symlink(elsewhere / "far", root / "train" / "bees" / "far")
    os.symlink(root / "train" / "bees", root / "train" / "bees" / "circle")
    names = Folder(str(root)).build().train.names
    assert "train/ants/6.jpg" in names
    assert "train/bees/far/5.jpg" in names
    assert not [name for name in names if "circle" in name]


@pytest.mark.parametrize(("train", "evaluated"), [("Train", "Test"), ("TRAIN", "Validation")])
def test_folders_of_splits_may_be_written_in_upper_case(root, train, evaluated):
    if (root / "TRAIN").exists():
        pytest.skip("this file system does not tell cases apart")
    (root / "train").rename(root / train)
    (root / "val").rename(root / evaluated)
    splits = Folder(str(root)).build()
    assert splits.train.names[0].startswith(f"{train}/ants/")
    assert splits.eval.names[0].startswith(f"{evaluated}/ants/")
    assert Folder(str(root), eval=evaluated.lower()).build().eval == splits.eval


@pytest.mark.parametrize("here", [".", "", "./"])
def test_classes_may_be_called_train_and_valid(tmp_path, here):
    plant(tmp_path, *(f"{kind}/{i}.jpg" for kind in ("train", "valid", "boat") for i in range(5)))
    splits = Folder(str(tmp_path), train=here).build()
    assert splits.classes == ("boat", "train", "valid")
    assert (len(splits.train), len(splits.eval)) == (12, 3)
    assert splits.train.names[0].startswith("boat/")


def test_the_error_about_such_classes_says_what_to_write(tmp_path):
    plant(tmp_path, *(f"{kind}/{i}.jpg" for kind in ("train", "valid") for i in range(5)))
    message = problem(root=tmp_path)
    assert 'where train is the name of a class, write data.train = "."' in message
    (tmp_path / "train").rename(tmp_path / "boat")
    assert 'set data.train, to "." if these folders are the classes' in problem(root=tmp_path)
    (tmp_path / "valid").rename(tmp_path / "Train")
    assert 'where Train is the name of a class, write data.train = "."' in problem(root=tmp_path)
    assert len(Folder(str(tmp_path), train=".").build().classes) == 2


def test_the_root_may_hold_the_classes_and_another_folder_the_eval_split(root):
    train, evaluated = root / "train", root / "val"
    splits = Folder(str(train), train=".", eval=str(evaluated)).build()
    assert splits.train.names[0] == "ants/1.jpg"
    assert splits.eval.read(0) == b"val/ants/9.gif"
    assert Folder(str(root), train=".", eval="val").build().eval.labels == (0, 1)


def test_names_of_folders_that_no_system_allows(root):
    assert "there is no folder 'xxx" in problem(root=root, train="x" * 300)
    assert "there is no folder 'xxx" in problem(root=root, eval="x" * 300)


def test_a_problem_of_a_class_with_an_odd_name_is_one_line(root):
    (root / "train" / "a\nerror: b\x1b[2J").mkdir()
    message = problem(root=root)
    assert r"train/a\nerror: b\x1b[2J holds no images" in message
    assert "\x1b" not in message


# What is wrong


def test_a_missing_root():
    assert "there is no folder nowhere/at/all" in problem(root="nowhere/at/all")


def test_a_root_that_is_a_file(root):
    assert "is a file, not a folder" in problem(root=root / "train/ants/1.jpg")


def test_a_root_that_is_empty(tmp_path):
    assert "no class folders" in problem(root=tmp_path)


def test_without_class_folders_the_error_shows_the_layout(tmp_path):
    plant(tmp_path, "a.jpg", "b.jpg")
    message = problem(root=tmp_path)
    assert "it has no class folders (loose images: 2); write a folder for each class" in message
    assert "root/train/ants/a.jpg" in message
    assert message.endswith(
        'or a table of paths and labels, and data.kind = "csv": tlf options data.csv'
    )


def test_an_eval_folder_without_class_folders(root):
    plant(root, "test/1.jpg")
    assert "test has no class folders (loose images: 1)" in problem(root=root, eval="test")


def test_a_single_class(tmp_path):
    plant(tmp_path, "train/ants/1.jpg", "val/ants/2.jpg")
    assert "train must have at least 2 classes, got 'ants' only; add" in problem(root=tmp_path)
    plant(tmp_path / "flat", "ants/1.jpg")
    assert "it must have at least 2 classes, got 'ants' only" in problem(root=tmp_path / "flat")


def test_everything_wrong_is_named_at_once(root):
    plant(root, "train/flies/1.txt", "train/midges/x.txt", "test/1.jpg")
    assert [line.split(";")[0] for line in problem(root=root, eval="test").splitlines()[1:4]] == [
        "  train/flies holds no images",
        "  train/midges holds no images",
        "  test has no class folders (loose images: 1)",
    ]


def test_classes_of_one_split_only_are_left_to_the_recipe(root):
    plant(root, "val/wasps/1.jpg", "train/flies/1.jpg")
    (root / "val" / "ants" / "9.gif").unlink()  # an empty class folder of the eval split
    splits = Folder(str(root)).build()
    assert splits.classes == ("ants", "bees", "flies", "wasps")
    assert {*splits.train.labels} == {0, 1, 2}
    assert {*splits.eval.labels} == {1, 3}


def test_a_train_folder_that_is_not_there(root):
    assert "did you mean 'train'?" in problem(root=root, train="trian")


def test_a_train_folder_by_another_name_is_not_taken_for_a_class(root):
    (root / "train").rename(root / "training")
    assert "there is no folder 'train'" in problem(root=root)


def test_an_eval_folder_that_is_not_there(root):
    assert "there is no folder 'vla'; did you mean 'val'?" in problem(root=root, eval="vla")


def test_an_eval_folder_with_an_unusual_name(root):
    (root / "val").rename(root / "holdout")
    message = problem(root=root)
    assert "which folder is the eval split? There is 'holdout'" in message
    assert "data.eval" in message


def test_a_dataset_in_a_folder_of_its_own(root, tmp_path_factory):
    outer = tmp_path_factory.mktemp("outer")
    root.rename(outer / "hymenoptera_data")
    assert f"set data.root={outer / 'hymenoptera_data'}" in problem(root=outer)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read(root):
    (root / "train" / "ants").chmod(0)
    assert "cannot read the folder" in problem(root=root)


@pytest.mark.skipif(not HYMENOPTERA.exists(), reason="needs shared/data/hymenoptera")
def test_ants_and_bees_as_published():
    splits = Folder(str(HYMENOPTERA)).build()
    assert (len(splits.train), len(splits.eval)) == (245, 153)
    assert (splits.train.labels.count(0), splits.eval.labels.count(0)) == (124, 70)
    assert "train/ants/imageNotFound.gif" in splits.train.names


def only(root, split=None, **options):
    found = Folder(str(root), **options).labelled(split)
    return found.classes, tuple(found.images.names), tuple(found.images.labels)


def test_one_split_alone(root):
    plant(root, "test/bees/1.jpg")
    assert only(root) == (("ants", "bees"), ("val/ants/9.gif", "val/bees/8.jpg"), (0, 1))
    assert only(root, "Train")[1] == ("train/ants/1.jpg", "train/bees/1.PNG", "train/bees/2.jpg")
    assert only(root, "test") == only(root, eval="test") == (("bees",), ("test/bees/1.jpg",), (0,))
    assert Folder(str(root)).labelled("val").images.read(1) == b"val/bees/8.jpg"
    with pytest.raises(DataError, match=r"there is no split 'tst'; did you mean 'test'\?"):
        only(root, "tst")


def test_without_splits_all_images_are_labelled(root):
    """Also where a class is called as a split is."""
    plant(root / "flat", "test/1.jpg", "control/2.jpg", "empty/notes.txt")
    expected = (("control", "test"), ("control/2.jpg", "test/1.jpg"), (0, 1))
    assert only(root / "flat") == expected
    with pytest.raises(DataError, match="there is no split 'test'; its class folders are in no s"):
        only(root / "flat", "test")
    assert only(root / "train")[0] == ("ants", "bees")
    assert [path.name for path in root.iterdir() if path.name == "val"]
    for file in (root / "val").rglob("*.*"):
        file.unlink()
    with pytest.raises(DataError, match="its class folders hold no images"):
        only(root)
    assert 'val must hold images, got none; add some, or set data.eval to "f' in problem(root=root)


def test_a_named_test_folder_is_no_eval_split(root):
    plant(root, "test/ants/5.jpg", "test/bees/5.jpg")
    splits = Folder(str(root)).build_with("TEST", ())
    assert splits.test.names == ("test/ants/5.jpg", "test/bees/5.jpg")
    assert (splits.eval.names[0], splits.notes) == ("val/ants/9.gif", ())
    (root / "val").rename(root / "extra")
    with pytest.raises(DataError, match="which folder is the eval split"):
        Folder(str(root)).build_with("test", ())
    splits = Folder(str(root), fraction=0.5).build_with("extra", ())
    assert splits.test.names[0] == "extra/ants/9.gif"
    assert splits.eval.names[0] == "test/ants/5.jpg"


def test_beside_train_and_test_alone_a_fraction_is_held_out(root):
    (root / "val").rename(root / "test")
    plant(root, "train/ants/2.jpg")
    splits = Folder(str(root), fraction=0.5).build_with("test", ())
    assert (len(splits.train), len(splits.eval), len(splits.test)) == (2, 2, 2)
    assert splits.held_out.note == splits.notes[0]
    assert splits.held_out.fraction == 0.5


def test_classes_of_the_test_folder_are_left_to_the_recipe(root):
    plant(root, "test/wasps/5.jpg")
    splits = Folder(str(root)).build_with("test", ())
    assert (splits.classes, splits.test.labels) == (("ants", "bees", "wasps"), (2,))


@pytest.mark.parametrize(
    ("options", "test", "message"),
    [
        ({}, "gone", "there is no folder 'gone'; Known: train, val; set data.test"),
        ({}, "train", "data.test must be another split than that of train, got 'train'; set data."),
        ({"eval": "val"}, "val", "another split than that of eval, got 'val'"),
        (
            {"train": "."},
            "val",
            "must be a folder beside that of train, got 'val' in the folder of",
        ),
    ],
)
def test_a_test_folder_that_is_none(root, options, test, message):
    with pytest.raises(DataError, match=message):
        Folder(str(root), **options).build_with(test, ())


def test_a_folder_has_no_columns(root):
    with pytest.raises(DataError, match="must be a pattern for a dataset of kind 'folder', which"):
        Folder(str(root)).build_with(None, ("patient",))


def test_very_many_empty_class_folders_are_not_all_named(root):
    for number in range(1, 1024):
        (root / f"train/class{number:04}").mkdir()
    lines = problem(root=root).splitlines()
    assert lines[-2].startswith("  train/class0020 holds no images")
    assert lines[-1] == "  1,003 more class folders hold no images"
    assert len(lines) == 22

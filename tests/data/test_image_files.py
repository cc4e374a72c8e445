"""Which files of a folder are images, and which files are never opened."""

import os

import pytest

from tlf.data.image_files import files_below, is_folder, read_image, visible
from tlf.errors import DataError


def plant(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_hidden_files_and_what_systems_leave_are_left_out(tmp_path):
    plant(tmp_path, "a.jpg", ".b.jpg", "__MACOSX/c.jpg", "in/@eaDir/d.jpg", "in/.e/f.jpg", "in/g")
    assert sorted(files_below(str(tmp_path))) == ["a.jpg", "in/g"]
    assert sorted(files_below(str(tmp_path), "root")) == ["root/a.jpg", "root/in/g"]


def test_links_are_followed_and_each_folder_is_visited_once(tmp_path):
    """With a link from each of twelve folders to every other, there are 12! paths."""
    for number in range(12):
        plant(tmp_path, f"{number:02}/a.jpg")
        for other in range(12):
            os.symlink(tmp_path / f"{other:02}", tmp_path / f"{number:02}" / f"to{other:02}")
    assert len(list(files_below(str(tmp_path)))) == 12


@pytest.fixture
def nested(tmp_path):
    """Folders in one another. They are removed one by one: Python's own way would recurse."""
    depth, here = 0, os.getcwd()
    os.chdir(tmp_path)

    def nested(name, count):
        nonlocal depth
        for _ in range(count):
            os.mkdir(name)
            os.chdir(name)
        depth = count
        open("a.jpg", "wb").close()
        return str(tmp_path)

    yield nested
    os.remove("a.jpg")
    for _ in range(depth):
        os.chdir("..")
        os.rmdir(os.listdir()[0])
    os.chdir(here)


def test_a_thousand_folders_in_one_another(nested):
    assert list(files_below(nested("d", 1000))) == ["d/" * 1000 + "a.jpg"]


def test_folders_too_deep_for_the_system_are_an_error(nested):
    with pytest.raises(DataError, match=r"cannot read the folder .*File name too long"):
        list(files_below(nested("d" * 200, 30)))


def test_a_link_to_itself_is_no_folder(tmp_path):
    os.symlink("a.png", tmp_path / "a.png")
    assert [is_folder(entry) for entry in visible(tmp_path)] == [False]
    assert list(files_below(str(tmp_path))) == ["a.png"]


def test_a_pipe_is_listed_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    assert list(files_below(str(tmp_path))) == ["a.png"]
    with pytest.raises(OSError, match="must be a regular file, got a pipe"):
        read_image(tmp_path / "a.png")


def test_a_sparse_giant_is_not_read(tmp_path):
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="must hold at most 1,073,741,824 bytes"):
        read_image(tmp_path / "a.png")

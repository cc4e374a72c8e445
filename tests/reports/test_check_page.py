"""The files of a check."""

import csv
from dataclasses import replace

import pytest

from checked_images import CLASSES, EVERYTHING, checked, image
from tlf.checks.findings import Duplicates
from tlf.errors import RunError, UnwritableError
from tlf.reports import check_page
from tlf.reports.check_page import write_check


def test_the_page_and_the_fixes(tmp_path):
    folder = write_check(checked(**EVERYTHING), tmp_path / "found")
    assert folder == tmp_path / "found"
    page = (folder / "check.html").read_text(encoding="utf-8")
    for text in ("Check of my/images", "Features: resnet18", "gone.jpg", "t8.jpg", "looks like"):
        assert text in page
    with (folder / "fixes.csv").open(encoding="utf-8", newline="") as file:
        assert len([*csv.DictReader(file)]) == 9


def test_nothing_found_is_a_page_and_a_file_without_rows(tmp_path):
    folder = write_check(checked(), tmp_path / "found")
    assert 'id="fixes"' not in (folder / "check.html").read_text(encoding="utf-8")
    assert (folder / "fixes.csv").read_text() == "split,path,label,new_label,leave_out,reason\n"


def test_what_was_noted_is_on_the_page(tmp_path):
    found = replace(checked(notes=("labels of <b> were not judged",)), notes=("classes are few",))
    page = (write_check(found, tmp_path / "x") / "check.html").read_text(encoding="utf-8")
    assert "<li>classes are few</li>\n<li>labels of &lt;b&gt; were not judged</li>" in page


def test_no_check_overwrites_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [write_check(checked()) for _ in range(2)]
    assert folders == [tmp_path / "checks" / "images", tmp_path / "checks" / "images-2"]


def test_a_check_has_its_name_when_it_is_whole(tmp_path, monkeypatch):
    names = []
    real = check_page.write_page

    def write_page(*given, **options):
        names.extend(path.name for path in tmp_path.iterdir())
        real(*given, **options)

    monkeypatch.setattr(check_page, "write_page", write_page)
    write_check(checked(), tmp_path / "found")
    assert len(names) == 1
    assert names[0] != "found"
    assert [path.name for path in tmp_path.iterdir()] == ["found"]


def test_a_check_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise UnwritableError("the disk is full")

    monkeypatch.setattr("tlf.reports.check_page.write_page", fail)
    with pytest.raises(RunError, match="the disk is full"):
        write_check(checked(), tmp_path / "found")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="write --output some/other/folder"):
        write_check(checked(), tmp_path / "file" / "found")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_names_are_text_in_the_page(tmp_path):
    markup = image("train", 0, "<script>alert(1)</script>")
    other = image("eval", 0, '"><img src=x>')
    folder = write_check(
        checked(duplicates=(Duplicates((markup, other), (0, 0), 1.0),)), tmp_path / "x"
    )
    page = (folder / "check.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert all(name in page for name in CLASSES)

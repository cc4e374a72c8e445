"""``tlf check`` as a person uses it."""

import csv

import pytest

TINY = ("backbone={kind='timm', model='test_resnet', weights='none'}", "transforms.size=32",
        "transforms.resize=32")  # fmt: skip


@pytest.fixture
def broken(drawn, tmp_path):
    """A folder with an unreadable file and with a train image that is an eval image."""
    root = drawn(tmp_path / "shapes", 5, 3)
    (root / "train" / "circles" / "000.jpg").write_text("no image")
    copied = (root / "val" / "squares" / "001.jpg").read_bytes()
    (root / "train" / "squares" / "again.jpg").write_bytes(copied)
    return root


def test_faults_are_shown_and_the_fixes_end_them(broken, main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in broken.rglob("*.jpg")}
    code, out, err = main("check", "shapes", *TINY)
    assert (code, err) == (0, "")
    assert "checked   shapes: 10 train, 6 eval images of 2 classes\n" in out
    assert "unreadable images: 1\n  train/circles/000.jpg (train): not an image in a known" in out
    assert "  train/squares/again.jpg (train) = val/squares/001.jpg (eval)\n" in out
    assert out.endswith("use them  tlf RECIPE data.fixes=checks/shapes/fixes.csv\n")
    assert sorted(p.name for p in (tmp_path / "checks/shapes").iterdir()) == [
        "check.html", "fixes.csv"
    ]  # fmt: skip
    with open("checks/shapes/fixes.csv", encoding="utf-8", newline="") as file:
        left_out = [row["path"] for row in csv.DictReader(file) if row["leave_out"]]
    assert left_out == ["train/circles/000.jpg", "train/squares/again.jpg"]
    code, out, _ = main("check", "shapes", *TINY, "data.fixes=checks/shapes/fixes.csv")
    assert "unreadable" not in out
    assert "again.jpg" not in out
    assert "fixes.csv leaves out 2 images (train 2)" in out
    assert "page      checks/shapes-2/check.html\n" in out
    both = '["checks/shapes/fixes.csv", "checks/shapes-2/fixes.csv"]'
    assert out.endswith(f"use them  tlf RECIPE 'data.fixes={both}'\n")  # the older one first
    assert {path: path.read_bytes() for path in broken.rglob("*.jpg")} == before


def test_mistakes_are_reported_and_nothing_is_written(main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for arguments, message in {
        ("nowhere",): "error: nowhere ",
        (".",): "error: ",
        (): "error: tlf check needs a recipe, or a folder of images; write: tlf check RECIPE|",
    }.items():
        code, out, err = main("check", *arguments)
        assert (code, out) == (2, "")
        assert err.startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_written_is_reported_first(broken, main, tmp_path):
    (tmp_path / "file").touch()
    code, out, err = main("check", broken, "--output", tmp_path / "file" / "x", *TINY)
    assert (code, out) == (2, "")
    assert err == (
        f"error: cannot write the folder {tmp_path}/file/x: Not a directory; write --output "
        "some/other/folder\n"
    )


def test_the_command_in_a_process_of_its_own(drawn, tlf, tmp_path):
    """A pipe gets whole lines, without a bar or colours."""
    root = drawn(tmp_path / "shapes", 3, 2)
    done = tlf("check", root, *TINY, "--output", tmp_path / "found")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert f"page      {tmp_path}/found/check.html\n" in done.stdout


def test_the_command_that_uses_the_fixes_has_the_overrides(
    main, recipe, drawn, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    other = f"data.root={drawn(tmp_path / 'other images', 5, 3)}"
    code, out, _ = main("check", recipe, other)
    assert code == 0
    fixes = f"data.fixes=checks/{recipe.stem}/fixes.csv"
    assert out.splitlines()[-1] == f"use them  tlf {recipe} '{other}' {fixes}"

"""``tlf init``: what it says, and where a command goes on."""

import shutil
import tomllib


def test_it_says_what_was_seen_and_what_comes_next(tmp_path, images, main, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(images, tmp_path / "my shapes")
    backbone = '{ kind = "timm", model = "test_resnet.r160_in1k", weights = "none" }'
    code, out, err = main("init", "my shapes", "--backbone", backbone)
    assert (code, err) == (0, "")
    for line in (
        "images    20 to train, 11 to evaluate, 2 classes",
        "strategy  head: train the head on frozen features first",
        "recipe    my shapes.toml: read its comments, and change it",
        "next      tlf 'my shapes.toml'",
    ):
        assert line in out.splitlines()
    assert main("init", "my shapes")[0] == 2


def test_columns_that_look_like_splits_are_used_or_warned_of(tmp_path, images, main, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = sorted((images / "train").glob("*/*.jpg"))
    lines = [
        f"{file},{int(file.parent.name == 'circles')},{number % 4 == 0},{number % 5}"
        for number, file in enumerate(files)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,is_valid,fold", *lines]) + "\n")
    backbone = '{ kind = "timm", model = "test_resnet.r160_in1k", weights = "none" }'
    code, out, err = main("init", "t.csv", "--backbone", backbone)
    assert (code, out.splitlines()[0]) == (0, "images    15 to train, 5 to evaluate, 2 classes")
    warning = "The column 'fold' looks like splits, and is not used. It does not name train and val"
    assert err.startswith(f"warning: {warning}")
    recipe = (tmp_path / "t.toml").read_text()
    assert f"# Warning: {warning}"[:60] in recipe
    assert "held out" not in recipe
    assert tomllib.loads(recipe)["data"] == {
        "kind": "csv", "file": "t.csv", "split": "is_valid",
    }  # fmt: skip

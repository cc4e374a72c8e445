"""``tlf init``: what it says, and where a command goes on."""

import shutil


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

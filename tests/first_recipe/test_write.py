"""A first recipe is written for a folder, and runs as it is."""

import shutil

import pytest

import tlf
from tlf.errors import DataError, RecipeError, RunError
from tlf.first_recipe.write import init

BACKBONE = '{ kind = "timm", model = "test_resnet.r160_in1k", weights = "none" }'


@pytest.fixture
def written(tmp_path, images, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(images, tmp_path / "shapes")
    return init("shapes", backbone=BACKBONE)


def test_it_runs_as_it_is(written, tmp_path):
    assert written.path.read_text() == written.text
    assert written.choices.strategy.name == "head"
    assert [*written.explanation.story] == ["head"]
    *_, result = tlf.run("shapes.toml", ["phases.head.epochs=1"])
    assert result.folder == str(tmp_path / "runs" / "shapes")
    assert f"--backbone '{BACKBONE}'" in written.text


def test_nothing_is_overwritten(written):
    with pytest.raises(RunError, match=r"shapes\.toml exists, and tlf init overwrites nothing"):
        init("shapes", backbone=BACKBONE)
    other = init("shapes", "other.toml", backbone=BACKBONE, strategy="all")
    assert [*other.explanation.story] == ["head", "all"]
    assert written.path.read_text() == written.text


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (
            {"folder": "gone"},
            RunError,
            "must be a folder of images, or a CSV file that lists them; write one$",
        ),
        ({"folder": "shapes.toml"}, RunError, 'name any other table in a recipe: .*kind = "csv"'),
        ({"output": "a.txt"}, RunError, r"--output must end in \.toml"),
        ({"output": "gone/a.toml"}, RunError, "gone must be a folder"),
        ({"strategy": "hed"}, RecipeError, "did you mean 'head'"),
        ({"backbone": "tim"}, RecipeError, "did you mean 'timm'"),
        ({"backbone": ""}, RecipeError, "--backbone.*\n.*must be LIBRARY/MODEL"),
        ({"backbone": "{}"}, RecipeError, r"backbone\.kind: missing"),
        ({"folder": "shapes/train/circles"}, DataError, "class folders"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(written, tmp_path, arguments, error, told):
    before = sorted(tmp_path.iterdir())
    given = {"folder": "shapes", "output": "new.toml", "backbone": BACKBONE} | arguments
    with pytest.raises(error, match=told):
        init(given.pop("folder"), given.pop("output"), **given)
    assert sorted(tmp_path.iterdir()) == before


def test_a_backbone_is_named_as_for_a_probe(written):
    path = f"{written.path}"
    for number, name in enumerate(("timm/test_resnet.r160_in1k@none", path)):
        other = init("shapes", f"{number}.toml", backbone=name)
        assert other.text.partition("[backbone]")[2] == written.text.partition("[backbone]")[2]
        assert f"--backbone {name}" in other.text


def test_a_test_folder_beside_train_and_val_is_the_test_split(tmp_path, images):
    folder = shutil.copytree(images, tmp_path / "shapes")
    shutil.copytree(images / "val", folder / "test")
    written = init(folder, tmp_path / "shapes.toml", backbone=BACKBONE)
    assert '\ntest = "test"\n' in written.text
    assert "The 11 images in test are the test split" in written.text
    splits = written.explanation.splits
    assert (len(splits.train), len(splits.eval), len(splits.test)) == (20, 11, 11)
    assert "test      11 kept for the end: no run opens them" in [*written.explanation.lines()]
    shutil.rmtree(folder / "val")
    assert "\ntest = " not in init(folder, tmp_path / "two.toml", backbone=BACKBONE).text

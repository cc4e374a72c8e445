"""Which images may choose the runs of a soup, and what it says of the images."""

import json
import shutil

import pytest

import tlf
from small import HEAD_ALONE, write_recipe
from tlf.errors import RunError
from tlf.evaluation.looks import read_looks
from tlf.evaluation.models import sha256_of
from tlf.recipe.plan import find_splits, read_plan
from tlf.studies.soup.soup import soup


@pytest.fixture(scope="module")
def made(tmp_path_factory, images):
    """A folder with images and two runs that hold some of them out, from one start."""
    root = tmp_path_factory.mktemp("soup")
    own = shutil.copytree(images, root / "images")
    for name, text in {
        "start": HEAD_ALONE,
        "a": f'start_from = "{root}/start"\n{HEAD_ALONE}',
        "b": f'seed = 1\nstart_from = "{root}/start"\n{HEAD_ALONE.replace("0.1", "0.3")}',
    }.items():
        data = f'[data]\nkind = "folder"\nroot = "{own}"\ntest = 0.2\n'
        recipe = text.replace("[[phases]]", f"{data}[[phases]]")
        [*_] = tlf.run(write_recipe(root / f"{name}.toml", own, recipe, name))
    return root


@pytest.fixture
def runs(made, tmp_path):
    """Copies of these two runs, to be looked at."""
    return [shutil.copytree(made / name, tmp_path / name) for name in "ab"]


def copied_test_images(run, folder):
    """The test images of a run under other names."""
    test = find_splits(read_plan(run / "recipe.toml")).test
    for number, name in enumerate(test.names):
        copy = folder / name.split("/")[1] / f"{number}.jpg"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(test.read(number))
    return len(test)


def test_test_images_do_not_choose(runs, tmp_path):
    count = copied_test_images(runs[1], tmp_path / "copies")
    for given, title in (
        ({"split": "test"}, f"the test split of {runs[0]}"),
        ({"data": tmp_path / "copies"}, str(tmp_path / "copies")),
    ):
        with pytest.raises(RunError, match="--uniform, which chooses nothing") as caught:
            soup(runs, output=tmp_path / "s", **given)
        assert f"test images of its runs, got {title}, with {count} of them" in str(caught.value)
    assert not (tmp_path / "s").exists()
    assert [read_looks(run) for run in runs] == [(), ()]
    assert soup(runs, output=tmp_path / "s").cautions == ()


def test_the_command_says_so_in_one_message(runs, main, tmp_path):
    code, out, err = main("soup", *runs, "--split", "test", "--output", tmp_path / "s")
    assert (code, out) == (2, "")
    assert err.startswith("error: a greedy soup must be chosen by other images than the test im")


@pytest.mark.parametrize("named", [True, False])
def test_a_uniform_soup_counts_a_look_in_each_run_and_in_its_own_folder(named, runs, tmp_path):
    given, option = {"split": "test"}, "--split test"
    count = copied_test_images(runs[0], tmp_path / "copies")
    if not named:
        given, option = {"data": tmp_path / "copies"}, f"--data {tmp_path / 'copies'}"
    found = soup(runs, uniform=True, output=tmp_path / "s", **given)
    folders = [*runs, found.folder]
    looks = [look for (look,) in map(read_looks, folders)]
    command = f"tlf soup --uniform {runs[0]} {runs[1]} {option} --output {tmp_path / 's'}"
    assert {(look.command, look.images) for look in looks} == {(command, count)}
    assert [look.model_sha256 for look in looks] == [*map(sha256_of, folders)]
    assert any(text.startswith("The test split was looked at once") for text in found.cautions)
    again = tlf.evaluate(found.folder, split="test")
    assert len(again.looks) == 2
    assert len(read_looks(runs[0])) == 1
    told = soup(runs, uniform=True, output=tmp_path / "s", **given).cautions
    assert any("looked at 2 times" in text for text in told)


def test_a_look_that_cannot_be_counted_is_refused(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("tlf.evaluation.looks.os.access", lambda *_: False)
    with pytest.raises(RunError, match="a look at the test split is counted in"):
        soup(runs, uniform=True, split="test", output=tmp_path / "s")


@pytest.mark.parametrize("stopped", [True, False])
def test_that_runs_have_trained_on_the_images_is_said(stopped, runs, made, tmp_path):
    train = find_splits(read_plan(runs[0] / "recipe.toml")).train
    lines = [f"{made / 'images' / name},{name.split('/')[1]}" for name in train.names]
    (tmp_path / "train.csv").write_text("\n".join(["path,label", *lines]))
    if stopped:  # its best model is in a temporary folder, which no sentence names
        (runs[1] / "model.safetensors").unlink()
    count = len(train)
    for given in ({"split": "train"}, {"data": tmp_path / "train.csv"}):
        found = soup(runs, output=tmp_path / "s", **given)
        whose = f"train split of {made / 'start'}, whose weights {{}} has started from"
        named = [one for run in runs for one in (f"train split of {run}", whose.format(run))]
        assert found.cautions == tuple(
            f"{count} of the {count} images are in the {one}: the figures are too high."
            for one in named
        )
        assert str(found).count("caution   ") == 4
        written = json.loads((found.folder / "soup.json").read_text())
        assert written["cautions"] == [*found.cautions]

"""A run is resumed from any working directory."""

import pytest

from stopped_runs import HEAD_ALONE, stop_after, write
from tlf.errors import DataError
from tlf.events import Notice
from tlf.recipe.plan import load_recipe
from tlf.runs.folder import RunStarted
from tlf.runs.resume import resume
from tlf.runs.run import run as run_recipe


def test_a_run_of_relative_paths_is_resumed_from_anywhere_and_its_images_may_move(
    tmp_path, drawn, monkeypatch
):
    root = drawn(tmp_path / "images", 4, 2)
    path, output = write(tmp_path, root, text=HEAD_ALONE)
    relative = path.read_text().replace(f"{tmp_path}/", "")
    assert str(tmp_path) not in relative
    path.write_text(relative)
    monkeypatch.chdir(tmp_path)
    assert stop_after(path, 1).endswith(f"tlf resume {output}")
    (tmp_path / "far").mkdir()
    monkeypatch.chdir(tmp_path / "far")
    root.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=f"there is no folder {root}; set data.root to"):
        list(resume("../recipe"))
    events = list(resume("../recipe", ["data.root=../moved"]))
    notes = [event.text for event in events if isinstance(event, Notice)]
    assert notes[0] == f"data.root was {root} and is {tmp_path / 'moved'}: it is the same"
    assert events[-1].folder == str(output)
    assert load_recipe(output / "recipe.toml").data.dataset.root == str(tmp_path / "moved")
    again = next(
        event for event in run_recipe(output / "recipe.toml") if isinstance(event, RunStarted)
    )
    assert again.folder == tmp_path / "recipe-2"

"""``tlf schema``: to the screen or to a file, and who is left out."""

import json

import pytest
from click.testing import CliRunner

import tlf
from installing import installed, write_project
from tlf.cli.main import cli
from tlf.errors import TlfError


@pytest.fixture(autouse=True)
def _boom(tmp_path):
    """A plugin that cannot be imported is installed."""
    (tmp_path / "site").mkdir()
    project = write_project(tmp_path / "tlf-boom", "boom", "raise RuntimeError('boom')")
    with installed(tmp_path / "site", project):
        yield


def test_it_is_printed_and_a_plugin_that_fails_is_named_beside_it():
    done = CliRunner().invoke(cli, ["schema"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == tlf.recipe_schema()
    assert done.stderr.startswith("left out: plugin 'boom' (tlf-boom 1.2): cannot be imported")


def test_nothing_is_named_where_plugins_are_switched_off():
    done = CliRunner(env={"TLF_PLUGINS": "0"}).invoke(cli, ["schema"])
    assert (done.exit_code, done.stderr) == (0, "")


def test_it_is_written_to_a_file_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_PLUGINS", "0")
    path = tmp_path / "recipe.schema.json"
    path.write_text("what was there before")
    done = CliRunner().invoke(cli, ["schema", "--output", str(path)])
    first_line = "write as the first line of a recipe beside it: #:schema recipe.schema.json"
    assert (done.exit_code, done.stdout) == (0, f"{path}\n{first_line}\n")
    text = path.read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert text == CliRunner().invoke(cli, ["schema"]).stdout
    assert sorted(found.name for found in tmp_path.iterdir()) == [
        "recipe.schema.json", "site", "tlf-boom",
    ]  # fmt: skip


def test_a_folder_that_is_not_there_is_an_error_of_one_line(tmp_path):
    path = tmp_path / "no" / "schema.json"
    done = CliRunner().invoke(cli, ["schema", "--output", str(path)])
    assert isinstance(done.exception, TlfError)
    assert str(done.exception) == f"cannot write {path}: No such file or directory"

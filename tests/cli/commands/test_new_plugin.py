"""``tlf new-plugin`` writes a plugin, and says what to do with it."""

from pathlib import Path

from click.testing import CliRunner

from tlf.cli.main import cli


def test_it_prints_the_next_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["new-plugin", "ends"])
    assert done.exit_code == 0
    assert Path("tlf-ends/tlf_ends.py").is_file()
    assert "    pip install -e tlf-ends\n    pytest tlf-ends\n" in done.output


def test_a_bad_name_is_refused_and_nothing_is_written(main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = main("new-plugin", "My_ends")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "'My_ends'" in err
    assert list(tmp_path.iterdir()) == []

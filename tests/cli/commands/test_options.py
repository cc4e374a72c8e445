"""``tlf options`` shows every option with its type, default and help."""

import pytest

from installed_plugins import HEADER, HEADS
from installing import write_metadata


def test_a_component(main):
    code, out, err = main("options", "data.csv")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "data.csv"
    assert 'write: data = { kind = "csv", file = … }' in lines
    assert "  file              a string; required" in lines
    at = lines.index("  fraction          a number; default 0.2")
    assert lines[at + 1].startswith(" " * 20 + "How much of each class is held out")
    assert any(line.startswith("`[data]` also takes bad_images, white, ") for line in lines)
    assert max(map(len, lines)) <= 80


def test_a_table_and_what_is_in_it(main):
    code, out, _ = main("options", "phases")
    assert code == 0
    for line in (
        "  name              a string; required",
        "  epochs            a whole number, from 1 to 1,000,000; required",
        '                    lists; default "nothing"',
        "  layer_decay       a number, above 0, at most 1; default unset",
    ):
        assert line in out.splitlines()


def test_several_things_of_one_name_are_all_shown(main):
    code, out, _ = main("options", "plateau")
    assert code == 0
    assert out.startswith("2 things have this name:\n\nphases.freeze.plateau\n")
    assert 'write: scheduler = "plateau" in [[phases]]' in out
    assert ">>>" not in out


def test_all_names_are_listed(main):
    code, out, _ = main("options")
    assert code == 0
    assert "data                    kinds: starter, folder, csv, hub, shards\n" in out
    assert max(map(len, out.splitlines())) <= 80


def test_an_unknown_name(main):
    code, out, err = main("options", "mxup")
    assert (code, out) == (2, "")
    assert err.startswith("error: nothing in a recipe is called 'mxup'; did you mean 'mixup'?")
    assert err.endswith("; tlf options lists all\n")


@pytest.fixture
def install_plugins(tmp_path, monkeypatch):
    """Install plugins, name → source."""

    def install_plugins(**sources):
        for name, source in sources.items():
            write_metadata(tmp_path, f"tlf-{name}", "1.0", {name: f"options_{name}"})
            (tmp_path / f"options_{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)

    return install_plugins


def test_plugins_are_included_and_failures_are_said(main, install_plugins):
    install_plugins(gems=HEADS, torn="raise RuntimeError")
    code, out, err = main("options", "gems:gem")
    assert code == 0
    assert out.splitlines()[:2] == ["head.gems:gem  (plugin gems)", 'write: head = "gems:gem"']
    assert "  width             a whole number; default 2" in out
    assert err.startswith("left out: plugin 'torn'")


def test_a_format_of_a_plugin_says_how_it_is_written(main, install_plugins):
    exporter = """
@dataclass(frozen=True)
class Npz:
    \"\"\"Arrays of numpy.\"\"\"

    file = "model.npz"

    def write(self, model, classes, preprocessing, path):
        path.touch()

@hookimpl
def tlf_exporters():
    return {"npz": Npz}
"""
    install_plugins(mine=HEADER + exporter)
    code, out, _ = main("options", "mine:npz")
    assert (code, out.splitlines()) == (0, [
        "mine:npz  (plugin mine)", "Arrays of numpy.", "write: tlf export RUN --to mine:npz",
        "  It has no options.",
    ])  # fmt: skip

"""``tlf new-plugin`` writes a package that installs, passes its own test and works in a recipe."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from annotations import annotated
from installing import write_metadata
from places import ROOT
from tlf.cli.main import main
from tlf.errors import PluginError
from tlf.plugins.scaffold import write_plugin


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder to install into that holds the new plugin ``two-ends``, and its source."""
    source = write_plugin("two-ends", tmp_path_factory.mktemp("source"))
    target = tmp_path_factory.mktemp("site")
    install(source, target)
    return source, target


def install(source, target):
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    pip += ["--no-index", "--disable-pip-version-check", "--target", str(target), str(source)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def start(target, *command, cwd=None):
    path = os.pathsep.join([str(target), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        env=environment, cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def run(site, monkeypatch, capsys):
    """Run a command in this process, as if the new plugin were installed; exit code and output."""
    monkeypatch.syspath_prepend(site[1])

    def run(*command):
        monkeypatch.setattr(sys, "argv", [*map(str, command)])
        return main(), capsys.readouterr().out

    yield run
    sys.modules.pop("tlf_two_ends", None)


@pytest.mark.slow
def test_it_passes_its_own_test(site):
    source, target = site
    done = start(target, "pytest", "-q", "-p", "no:cacheprovider", source, cwd=source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_it_works_in_a_recipe_at_once(run, recipe, tmp_path):
    plan = ("phases.1.freeze={kind='two-ends:ends', last=2}", "phases.1.epochs=1")
    assert run("tlf", recipe, *plan)[0] == 0
    stored = tomllib.loads((tmp_path / "run" / "recipe.toml").read_text())
    assert stored["phases"][1]["freeze"] == [{"kind": "two-ends:ends", "last": 2}]
    assert run("tlf", "explain", recipe, "phases.0.freeze=two-ends:ends")[0] == 0
    _, listed = run("tlf", "plugins")
    assert "two-ends  (tlf-two-ends 0.1.0)" in listed
    assert "two-ends:ends" in listed


def test_its_readme_shows_its_default(site):
    module = ast.parse((site[0] / "tlf_two_ends.py").read_text())
    policy = next(node for node in module.body if isinstance(node, ast.ClassDef))
    (option,) = [node for node in policy.body if isinstance(node, ast.AnnAssign)]
    row = f"| `{option.target.id}` | `{ast.unparse(option.value)}` |"
    assert row in (site[0] / "README.md").read_text()
    assert policy.end_lineno - policy.lineno + 1 < 15


def tool(name):
    return str(Path(sys.executable).parent / name)


def test_it_is_formatted_as_tlf_is(site):
    ruff, style = tool("ruff"), ROOT / "pyproject.toml"
    for command in (
        [ruff, "check", "--no-cache", "--config", str(style), "--ignore", "D103,ANN,I001"],
        [ruff, "format", "--no-cache", "--check", "--config", str(style)],
    ):
        done = subprocess.run([*command, str(site[0])], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@annotated
def test_it_is_typed_as_tlf_is(site):
    command = [tool("mypy"), "--strict", str(site[0] / "tlf_two_ends.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("Ends", "ends"),
        ("2ends", "ends"),
        ("my_ends", "my-ends"),
        ("tlf_ends", "ends"),
        ("ends-", "ends"),
        ("a--b", "a-b"),
        ("ä", "my-freezing"),
        ("", "my-freezing"),
        ("../x", "x"),
    ],
)
def test_bad_names(name, example, tmp_path):
    with pytest.raises(
        PluginError, match="a plugin's name must be small letters and digits"
    ) as bad:
        write_plugin(name, tmp_path)
    assert str(bad.value).endswith(f"got {name!r}; write {example}, for example")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["tlf", "tlf-tlf"])
def test_the_name_of_tlfs_own_is_taken(name, tmp_path):
    with pytest.raises(PluginError, match=r"must not be 'tlf', .* such as my-freezing$"):
        write_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_prefix_comes_by_itself(tmp_path):
    with pytest.raises(
        PluginError, match=r"must not begin with 'tlf-', .*; write: tlf new-plugin ends"
    ):
        write_plugin("tlf-ends", tmp_path)


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "tlf-ends").mkdir()
    with pytest.raises(PluginError, match="exists already; write another name, such as my-ends,"):
        write_plugin("ends", tmp_path)
    (tmp_path / "tlf-gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(PluginError, match="exists already"):
        write_plugin("gone", tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["tlf-ends", "tlf-gone"]


@pytest.mark.parametrize("name", ["two-ends", "Two_Ends"])
def test_names_of_installed_plugins_are_taken(name, tmp_path, monkeypatch):
    write_metadata(tmp_path / "site", "other", "1.2", {name: "nothing"})
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("TLF_PLUGINS", "0")  # what is switched off is installed all the same
    with pytest.raises(
        PluginError, match=f"plugin '{name}' is installed already, from other 1.2; write"
    ):
        write_plugin("two-ends", tmp_path)


def test_names_of_installed_packages_and_modules_are_taken(site, tmp_path, monkeypatch):
    (tmp_path / "tlf_lone.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=r"tlf_lone is installed already; .* such as my-lone$"):
        write_plugin("lone", tmp_path)
    info = tmp_path / "tlf_bare-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tlf_bare\nVersion: 1.2\n")
    with pytest.raises(PluginError, match="a package called tlf-bare is installed already"):
        write_plugin("bare", tmp_path)


def test_a_half_written_package_never_has_its_name(tmp_path, monkeypatch):
    def fail(path, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(PluginError, match=r"tlf-ends cannot be written: No space left"):
        write_plugin("ends", tmp_path)
    assert list(tmp_path.iterdir()) == []

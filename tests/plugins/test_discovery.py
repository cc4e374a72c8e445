"""Installed plugins are found by the names of their entry points."""

import sys

import pytest

from installed_plugins import HEADS, failure
from tlf.catalogue import Plugin
from tlf.errors import PluginError
from tlf.plugins.discovery import find_entries, installed_plugins, used_entries
from tlf.plugins.loading import load_plugins, survey_plugins

pytestmark = pytest.mark.usefixtures("one_built_in_head")


def test_no_plugin_is_installed(monkeypatch):
    monkeypatch.setattr("tlf.plugins.discovery.entry_points", lambda group: ())
    assert failure("pool").endswith("the package that offers it with pip; no plugins are installed")


def test_a_plugin_that_is_not_installed(install):
    install("pool", HEADS)
    message = failure("pol")
    assert message.startswith("plugin 'pol' is not installed; install the package that")
    assert "did you mean 'pool'?" in message


def test_two_distributions_of_one_name_matter_only_if_it_is_named(install):
    install("pool", HEADS, "tlf-pool", "tlf_test_pool_a")
    install("pool", HEADS, "other-pool", "tlf_test_pool_b")
    install("calm", HEADS)
    message = failure("pool")
    assert "tlf-pool 1.2" in message
    assert "other-pool 1.2" in message
    assert "uninstall all but one" in message
    assert load_plugins(["calm"]).loaded[-1].name == "calm"


@pytest.mark.parametrize("name", ["tlf", "a:b"])
def test_names_that_cannot_be_used(install, name):
    install(name, HEADS, "tlf-cheeky", "tlf_test_cheeky")
    assert (
        f"tlf-cheeky 1.2: a plugin's name must not be 'tlf' or contain ':', got {name!r}"
        in failure(name)
    )


def test_one_distribution_that_offers_a_name_twice(install, tmp_path):
    install("pool", HEADS)
    info = next((tmp_path / "tlf-pool").glob("*.dist-info")) / "entry_points.txt"
    info.write_text("[tlf]\npool = tlf_test_pool\npool = tlf_test_other\n")
    assert (
        failure("pool") == "plugin 'pool' is offered twice by tlf-pool 1.2; report it to its author"
    )


def test_plugins_that_are_switched_off(install, monkeypatch):
    install("pool", HEADS)
    monkeypatch.setenv("TLF_PLUGINS", "0")
    assert "TLF_PLUGINS=0 switches plugins off" in failure("pool")
    assert [record.plugin.name for record in survey_plugins()] == ["tlf"]
    assert load_plugins([]).loaded[0].name == "tlf"


def test_plugins_are_listed_by_name_without_importing_them(install):
    install("pool", "raise RuntimeError('boom')")
    install("calm", "raise RuntimeError('boom')")
    found = [entry.name for entry in used_entries()]
    assert found == sorted(found)
    assert {"calm", "pool"} <= set(found)
    assert Plugin("pool", "tlf-pool", "1.2") in installed_plugins()
    assert "tlf_test_pool" not in sys.modules


def test_plugins_that_are_switched_off_are_still_installed(install, monkeypatch):
    install("pool", HEADS)
    monkeypatch.setenv("TLF_PLUGINS", "0")
    assert used_entries() == []
    assert Plugin("pool", "tlf-pool", "1.2") in installed_plugins()


def test_a_name_is_found_once(install):
    install("pool", HEADS)
    assert [entry.name for entry in find_entries(["pool", "pool"])] == ["pool"]


@pytest.fixture
def spoil(install, tmp_path):
    """Install a working plugin ``pool``, and ``bad``, one of whose files is overwritten."""

    def spoil(file, content):
        install("pool", HEADS)
        install("bad", HEADS)
        info = next((tmp_path / "tlf-bad").glob("*.dist-info")) / file
        info.unlink()
        if content is not None:
            info.write_bytes(content)

    return spoil


@pytest.mark.parametrize("content", [b"[tlf]\nbad = \xff\n", b"[tlf]\nno equals sign\n"])
def test_entry_points_that_cannot_be_read_cost_the_others_nothing(spoil, content, main):
    spoil("entry_points.txt", content)
    assert load_plugins(["pool"]).loaded[-1].name == "pool"
    assert "pool" in {entry.name for entry in used_entries()}
    broken = [one for one in survey_plugins() if one.plugin.name == "(unknown)"]
    assert [one.failure.partition(": ")[2].partition(":")[0] for one in broken] == ["tlf-bad"]
    assert "reinstall or remove it" in broken[0].failure
    assert "the entry points of a package cannot be read: tlf-bad: " in failure("bad")
    for command in ("--help", "plugins", "schema"):
        code, out, err = main(command)
        assert (code, "Traceback" in err) == (0, False)
        assert "pool" in out


@pytest.mark.parametrize("content", [b"Name: \xff\n", None])
def test_metadata_that_cannot_be_read_costs_the_others_nothing(spoil, content, main):
    spoil("METADATA", content)
    assert load_plugins(["pool"]).loaded[-1].name == "pool"
    assert "plugin 'bad' (unknown distribution (no version)): the METADATA of its" in failure("bad")
    (broken,) = (one for one in survey_plugins() if one.plugin.name == "bad")
    assert "reinstall it" in broken.failure
    for command in ("--help", "plugins", "schema"):
        code, out, err = main(command)
        assert (code, "Traceback" in err) == (0, False)
        assert "pool" in out


@pytest.mark.parametrize("value", ["", "1 + 1", "a b", "tlf_test_bad:"])
def test_an_entry_point_that_names_no_module(spoil, value, main):
    spoil("entry_points.txt", f"[tlf]\nbad = {value}\n".encode())
    message = failure("bad")
    assert (
        "plugin 'bad' (tlf-bad 1.2): its entry point must be a module, or module:object" in message
    )
    assert main("plugins")[0] == 0


def test_very_many_plugins_are_refused_at_once():
    with pytest.raises(PluginError, match="at most 100 plugins, got 1,000"):
        find_entries([f"p{number}" for number in range(1000)])

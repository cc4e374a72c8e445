"""Plugins as they are really installed are loaded, and each is surveyed by itself."""

import sys
from types import SimpleNamespace

import pytest

from installed_plugins import HEADER, HEADS, RESULT, Plain, failure
from tlf.catalogue import Plugin
from tlf.errors import PluginError
from tlf.hookspecs import hookimpl
from tlf.plugins import loading as plugins
from tlf.plugins.loading import extend, load_plugins, survey_plugins
from tlf.plugins.validation import VERBS

pytestmark = pytest.mark.usefixtures("one_built_in_head")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            HEADER + "@hookimpl\ndef tlf_heads():\n    return {'g': Gem, 'h': Gem}",
            "tlf_heads offers 'sick:h', whose class Gem is 'sick:g' of tlf-sick 1.2 already",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_heads():\n    return {'g': Gem}\n"
            "@hookimpl(specname='tlf_heads')\ndef more():\n    return {'g': Gem}",
            "tlf_heads offers 'sick:g' twice; rename one",
        ),
        (
            HEADER + "from fake_builtin import Plain\n@hookimpl\ndef tlf_heads():\n"
            "    return {'g': Plain}",
            "offers 'sick:g', whose class Plain is 'plain' of tlf ",
        ),
    ],
)
def test_kinds_and_classes_that_are_offered_twice(install, source, message):
    install("sick", source)
    error = failure("sick")
    assert error.startswith("plugin 'sick' (tlf-sick 1.2): ")
    assert message in error
    assert "\n" not in error


def test_own_kinds_are_bare_and_third_party_kinds_qualified(install):
    install("pool", HEADS)
    loaded = load_plugins(["pool"])
    heads = loaded.catalogue.of("tlf_heads")
    assert list(heads) == ["plain", "pool:gem"]
    assert heads["pool:gem"].plugin == Plugin("pool", "tlf-pool", "1.2")
    assert loaded.catalogue.offer(heads["pool:gem"].component()).kind == "pool:gem"
    assert [plugin.name for plugin in loaded.loaded] == ["tlf", "pool"]


def test_plugins_that_are_not_named_are_not_imported(install):
    install("pool", HEADS)
    install("broken", "raise RuntimeError('boom')")
    assert list(load_plugins([]).catalogue.of("tlf_heads")) == ["plain"]
    assert load_plugins(["pool"]).loaded[-1].name == "pool"
    assert "tlf_test_broken" not in sys.modules


def test_hook_managers_share_nothing(install):
    install("pool", HEADS)
    assert load_plugins(["pool"]).hook is not load_plugins([]).hook
    assert len(load_plugins([]).hook.tlf_heads()) == 1


def test_every_plugin_that_is_missing_or_broken_is_reported(install):
    install("pool", HEADS)
    install("first", "raise RuntimeError('boom')")
    install("second", HEADER + "@hookimpl\ndef tlf_heds():\n    return {}")
    missing = failure("pol", "first", "pool", "poool", "pol").splitlines()
    assert missing[0] == "2 plugins cannot be used"
    assert [line.split(" is")[0] for line in missing[1:]] == ["  plugin 'pol'", "  plugin 'poool'"]
    assert "tlf_test_pool" not in sys.modules
    broken = failure("first", "pool", "second").splitlines()
    assert broken[0] == "2 plugins cannot be used"
    assert "boom" in broken[1]
    assert "tlf_heds" in broken[2]


def test_tlf_itself_offering_a_kind_twice(monkeypatch):
    module = SimpleNamespace(tlf_heads=hookimpl(lambda: {"plain": Plain}))
    monkeypatch.setitem(sys.modules, "fake_more", module)
    monkeypatch.setattr(plugins, "BUILT_IN", ("fake_builtin", "fake_more"))
    assert "tlf_heads offers 'plain' twice" in failure()


def test_the_survey_reports_broken_plugins_and_continues(install):
    event = "\n@hookimpl\ndef tlf_{}_ended(result): pass"
    events = event.format("run") + event.format("epoch")
    install("pool", HEADS + events)
    install("broken", "raise RuntimeError('boom')")
    install("twin", HEADS, "twin-a", "tlf_test_twin_a")
    install("twin", HEADS, "twin-b", "tlf_test_twin_b")
    first, *others = survey_plugins()
    assert (first.plugin.name, [offer.kind for offer in first.offers]) == ("tlf", ["plain"])
    found = {record.plugin.distribution: record for record in others}
    assert [offer.kind for offer in found["tlf-pool"].offers] == ["pool:gem"]
    assert found["tlf-pool"].hooks == ("tlf_epoch_ended", "tlf_run_ended")
    assert found["tlf-pool"].failure is None
    assert "RuntimeError: boom" in found["tlf-broken"].failure
    assert all("uninstall all but one" in found[twin].failure for twin in ("twin-a", "twin-b"))


def test_the_plugin_named_last_decides_first(install):
    decision = HEADER + "@hookimpl\ndef tlf_select_best(history):\n    return "
    install("one", decision + "1")
    install("two", decision + "2")
    assert load_plugins(["one", "two"]).hook.tlf_select_best(history=[RESULT] * 3) == 2
    assert load_plugins(["two", "one"]).hook.tlf_select_best(history=[RESULT] * 3) == 1


EXTENSION = (
    HEADER
    + """
    @hookimpl
    def tlf_select_best(self, history):
        if self.width < 0:
            raise ValueError("negative")
        return self.width

@hookimpl
def tlf_extensions():
    return {"gem": Gem}
"""
)


def test_extensions_take_part_in_hooks_with_their_options(install):
    install("one", EXTENSION.replace("Gem", "One"))
    install("two", HEADER + "@hookimpl\ndef tlf_select_best(history):\n    return 0")
    loaded = load_plugins(["one", "two"])
    gem = loaded.catalogue.of("tlf_extensions")["one:gem"].component
    extend(loaded, (gem(width=1), gem(width=2)))
    assert loaded.hook.tlf_select_best(history=[RESULT] * 3) == 2  # before plugins, the last first
    with pytest.raises(
        PluginError, match=r"'one' \(tlf-one 1.2\): extension 'one:gem' is named tw"
    ):
        extend(load_plugins(["one"]), (gem(), gem()))


@pytest.mark.parametrize(
    ("width", "message"),
    [(-1, "ValueError: negative"), (9, "the result must be an epoch from 0 to 2, got 9")],
)
def test_an_extension_that_fails_names_its_plugin(install, width, message):
    install("one", EXTENSION)
    loaded = load_plugins(["one"])
    extend(loaded, (loaded.catalogue.of("tlf_extensions")["one:gem"].component(width=width),))
    with pytest.raises(
        PluginError, match=r"'one' \(tlf-one 1.2\) failed in tlf_select_best: "
    ) as e:
        loaded.hook.tlf_select_best(history=[RESULT] * 3)
    assert message in str(e.value)


def test_the_built_in_components_load(monkeypatch):
    monkeypatch.undo()
    catalogue = load_plugins([]).catalogue
    assert "linear" in catalogue.of("tlf_heads")
    plugins_alone = ("tlf_extensions", "tlf_exporters", "tlf_transforms")
    assert all(catalogue.of(hook) for hook in VERBS if hook not in plugins_alone)
    assert all(":" not in offer.kind for offer in catalogue.offers)

"""Plugins as they are really installed: distributions with entry points on the path."""

import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch

from tlf.components import Offer, Plugin
from tlf.errors import DataError, PluginError, RecipeError
from tlf.hookspecs import hookimpl
from tlf.plugins import loading as plugins
from tlf.plugins.attribution import blame
from tlf.plugins.loading import extend, load_plugins, survey_plugins
from tlf.plugins.validation import VERBS
from tlf.results import EpochResult

HEADER = """
from dataclasses import dataclass
from tlf.hookspecs import hookimpl

@dataclass(frozen=True)
class Gem:
    width: int = 2
    def build(self, num_features, num_classes):
        return None
"""
HEADS = (
    HEADER
    + """
@hookimpl
def tlf_heads():
    return {"gem": Gem}
"""
)
RESULT = EpochResult("head", 0, 1.0, {"loss": 1.0, "top1": 0.5}, 0.1, 3, 1.0, 9.0)


@dataclass(frozen=True)
class Plain:
    bias: bool = True

    def build(self, num_features, num_classes):
        return None


@pytest.fixture(autouse=True)
def own(monkeypatch):
    """Stand in for what comes with tlf: one head."""
    module = SimpleNamespace(tlf_heads=hookimpl(lambda: {"plain": Plain}), Plain=Plain)
    monkeypatch.setitem(sys.modules, "fake_builtin", module)
    monkeypatch.setattr(plugins, "BUILT_IN", ("fake_builtin",))
    monkeypatch.delenv("TLF_PLUGINS", raising=False)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one module and one entry point."""

    def install(name, source, distribution=None, module=None):
        distribution, module = distribution or f"tlf-{name}", module or f"tlf_test_{name}"
        folder = tmp_path / distribution
        info = folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        (info / "entry_points.txt").write_text(f"[tlf]\n{name} = {module}\n")
        (folder / f"{module}.py").write_text(source)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, module, raising=False)

    before = set(sys.modules)
    yield install
    for module in set(sys.modules) - before:
        if module.startswith("tlf_test_"):
            del sys.modules[module]


def failure(*names):
    with pytest.raises(PluginError) as caught:
        load_plugins(names)
    return str(caught.value)


def test_own_kinds_are_bare_and_third_party_kinds_qualified(install):
    install("pool", HEADS)
    loaded = load_plugins(["pool"])
    heads = loaded.catalogue.of("tlf_heads")
    assert list(heads) == ["plain", "pool:gem"]
    assert heads["pool:gem"].plugin == Plugin("pool", "tlf-pool", "1.2")
    assert loaded.catalogue.offer(heads["pool:gem"].component()).kind == "pool:gem"
    assert [plugin.name for plugin in loaded.loaded] == ["tlf", "pool"]


def test_what_is_not_named_is_not_even_imported(install):
    install("pool", HEADS)
    install("broken", "raise RuntimeError('boom')")
    assert list(load_plugins([]).catalogue.of("tlf_heads")) == ["plain"]
    assert load_plugins(["pool"]).loaded[-1].name == "pool"
    assert "tlf_test_broken" not in sys.modules


def test_managers_share_nothing(install):
    install("pool", HEADS)
    assert load_plugins(["pool"]).hook is not load_plugins([]).hook
    assert len(load_plugins([]).hook.tlf_heads()) == 1


def test_no_plugin_is_installed(monkeypatch):
    monkeypatch.setattr("tlf.plugins.discovery.entry_points", lambda group: ())
    assert failure("pool").endswith("the package that offers it with pip; no plugins are installed")


def test_a_plugin_that_is_not_installed(install):
    install("pool", HEADS)
    message = failure("pol")
    assert message.startswith("plugin 'pol' is not installed; install the package that")
    assert "did you mean 'pool'?" in message


def test_every_plugin_that_is_missing_or_broken_is_told(install):
    install("pool", HEADS)
    install("first", "raise RuntimeError('boom')")
    install("second", HEADER + "@hookimpl\ndef tlf_heds():\n    return {}")
    missing = failure("pol", "first", "pool", "poool", "pol").splitlines()
    assert missing[0] == "2 plugins cannot be used"
    assert [line.split(" is")[0] for line in missing[1:]] == ["  plugin 'pol'", "  plugin 'poool'"]
    assert "tlf_test_pool" not in sys.modules
    told = failure("first", "pool", "second").splitlines()
    assert told[0] == "2 plugins cannot be used"
    assert "boom" in told[1]
    assert "tlf_heds" in told[2]


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


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "raise RuntimeError('boom')",
            "cannot be imported: RuntimeError: boom (tlf_test_sick.py, line 1)",
        ),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3 (tlf_test_sick.py, line 1)"),
        ("\n1 +", "cannot be imported: SyntaxError: invalid syntax (tlf_test_sick.py, line 2)"),
        ("import no_such_module", "cannot be imported: ModuleNotFoundError: No module named"),
        ("x = 1", "implements no hook; write @hookimpl"),
        (HEADER + "@hookimpl\ndef tlf_head():\n    return {}", "did you mean 'tlf_heads'?"),
        (
            HEADER + "@hookimpl(specname='tlf_hedas')\ndef heads():\n    return {}",
            "there is no hook 'tlf_hedas'; did you mean 'tlf_heads'?",
        ),
        (HEADER + "def tlf_heads():\n    return {}", "tlf_heads is not marked; write @hookimpl"),
        (
            HEADER + "@hookimpl\ndef tlf_epoch_ended(results):\n    pass",
            "Argument(s) {'results'} are declared in the hookimpl but can not be found",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_epoch_ended(result=None):\n    pass",
            "tlf_epoch_ended gives 'result' a default; remove it",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_heads():\n    raise OSError('no disk')",
            "tlf_heads failed: OSError: no disk (tlf_test_sick.py, line 12)",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_heads():\n    return [Gem]",
            "tlf_heads must return a mapping from kind to class, got a list",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_heads():\n    return {'a:b': Gem}",
            "a kind must be a name without ':', got 'a:b'",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_heads():\n    return {'': Gem}",
            "a kind must be a name without ':', got ''",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_heads():\n    return {3: Gem}",
            "a kind must be a name without ':', got 3",
        ),
        (HEADER + "@hookimpl\ndef tlf_heads():\n    return {'g': Gem()}", "which is a Gem; write"),
        (HEADER + "@hookimpl\ndef tlf_heads():\n    return {'g': dict}", "which is the class dict"),
        (
            HEADER.replace("frozen=True", "frozen=False")
            + "@hookimpl\ndef tlf_heads():\n    return {'g': Gem}",
            "which is not frozen; write @dataclass(frozen=True)",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_freeze_policies():\n    return {'g': Gem}",
            "tlf_freeze_policies offers 'g', which has no method frozen",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_augmentations():\n    return {'g': Gem}",
            "which has no method augment or mix",
        ),
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
        (
            HEADER + "    augment = mix = build\n@hookimpl\ndef tlf_augmentations():\n"
            "    return {'g': Gem}",
            "has both augment and mix; write a class for each",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_extensions():\n    return {'g': Gem}",
            "tlf_extensions offers 'g', which has no method tlf_phase_started or",
        ),
        (
            HEADER + "    def tlf_run_ended(self, result): pass\n"
            "@hookimpl\ndef tlf_extensions():\n    return {'g': Gem}",
            "tlf_run_ended is not marked; write @hookimpl above it",
        ),
        (
            HEADER + "    def tlf_run_ended(self, result): pass\n    @hookimpl\n"
            "    def tlf_epoch_endde(self, result): pass\n"
            "    tlf_run_ended = hookimpl(tlf_run_ended)\n"
            "@hookimpl\ndef tlf_extensions():\n    return {'g': Gem}",
            "there is no hook 'tlf_epoch_endde'; did you mean 'tlf_epoch_ended'?",
        ),
        (
            HEADER + "    @hookimpl\n    def tlf_heads(self): pass\n"
            "    @hookimpl\n    def tlf_run_ended(self, result): pass\n"
            "@hookimpl\ndef tlf_extensions():\n    return {'g': Gem}",
            "'sick:g' has a method tlf_heads; write this hook as a function of the module",
        ),
        (
            HEADER + "class Odd:\n    def __getattr__(self, name): raise OSError(name)\n"
            "    def __dir__(self): return ['tlf_heads']\n"
            "import sys\nsys.modules[__name__] = Odd()",
            "its attributes cannot be read: OSError: ",
        ),
        (
            HEADER.replace("width", "kind") + "@hookimpl\ndef tlf_heads():\n    return {'g': Gem}",
            "has a field 'kind', a key that recipes use otherwise; rename it",
        ),
    ],
)
def test_broken_plugins_are_named_with_their_distribution(install, source, told):
    install("sick", source)
    message = failure("sick")
    assert message.startswith("plugin 'sick' (tlf-sick 1.2): ")
    assert told in message
    assert "\n" not in message


def test_the_exception_of_a_broken_import_is_chained(install):
    install("sick", "1 / 0")
    with pytest.raises(PluginError) as caught:
        load_plugins(["sick"])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_one_module_under_two_names(install):
    install("one", HEADS, module="tlf_test_same")
    install("two", HEADS, module="tlf_test_same")
    assert "is the same module as plugin 'one'" in failure("one", "two")


def test_tlf_itself_offering_a_kind_twice(monkeypatch):
    module = SimpleNamespace(tlf_heads=hookimpl(lambda: {"plain": Plain}))
    monkeypatch.setitem(sys.modules, "fake_more", module)
    monkeypatch.setattr(plugins, "BUILT_IN", ("fake_builtin", "fake_more"))
    assert "tlf_heads offers 'plain' twice" in failure()


def test_switched_off(install, monkeypatch):
    install("pool", HEADS)
    monkeypatch.setenv("TLF_PLUGINS", "0")
    assert "TLF_PLUGINS=0 switches plugins off" in failure("pool")
    assert [record.plugin.name for record in survey_plugins()] == ["tlf"]
    assert load_plugins([]).loaded[0].name == "tlf"


def test_survey_goes_on_past_broken_plugins(install):
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


def test_a_hook_that_fails_in_a_run_names_its_plugin(install):
    event = HEADER + "@hookimpl\ndef tlf_epoch_ended(result):\n    "
    install("calm", event + "pass")
    install("loud", event + "raise ValueError(f'no {result.phase}')")
    with pytest.raises(PluginError) as caught:
        load_plugins(["calm", "loud"]).hook.tlf_epoch_ended(result=RESULT)
    expected = "plugin 'loud' (tlf-loud 1.2) failed in tlf_epoch_ended: ValueError: no head"
    assert str(caught.value) == f"{expected} (tlf_test_loud.py, line 12)"
    assert isinstance(caught.value.__cause__, ValueError)


def test_blame_falls_on_the_right_one_behind_a_shared_decorator(install):
    decorated = """
import contextlib
@contextlib.contextmanager
def shared():
    yield
@hookimpl
@shared()
def tlf_epoch_ended(result):
    """
    install("loud", HEADER + decorated + "raise ValueError('x')")
    install("calm", HEADER + decorated + "pass")
    with pytest.raises(PluginError, match=r"^plugin 'loud' \(tlf-loud 1.2\) failed in"):
        load_plugins(["loud", "calm"]).hook.tlf_epoch_ended(result=RESULT)


def test_the_errors_of_tlf_pass_hooks_unchanged(install):
    source = "\nfrom tlf.errors import DataError\n@hookimpl\ndef tlf_epoch_ended(result):\n    "
    install("careful", HEADER + source + "raise DataError('no images')")
    with pytest.raises(DataError, match=r"^no images$"):
        load_plugins(["careful"]).hook.tlf_epoch_ended(result=RESULT)


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
    ("width", "told"),
    [(-1, "ValueError: negative"), (9, "the result must be an epoch from 0 to 2, got 9")],
)
def test_an_extension_that_fails_names_its_plugin(install, width, told):
    install("one", EXTENSION)
    loaded = load_plugins(["one"])
    extend(loaded, (loaded.catalogue.of("tlf_extensions")["one:gem"].component(width=width),))
    with pytest.raises(
        PluginError, match=r"'one' \(tlf-one 1.2\) failed in tlf_select_best: "
    ) as e:
        loaded.hook.tlf_select_best(history=[RESULT] * 3)
    assert told in str(e.value)


@pytest.mark.parametrize(
    ("hook", "answer", "told"),
    [
        ("tlf_select_best(history)", "3", "the result must be an epoch from 0 to 2, got 3"),
        ("tlf_select_best(history)", "-1", "the result must be an epoch from 0 to 2, got -1"),
        ("tlf_select_best(history)", "True", "the result must be an epoch from 0 to 2, got True"),
        ("tlf_select_best(history)", "0.5", "the result must be an epoch from 0 to 2, got 0.5"),
        (
            "tlf_training_step(model, images)",
            "1.5",
            "the result must be a loss, a single number, got a float",
        ),
        (
            "tlf_training_step(model, images)",
            "images",
            "the result must be a loss, a single number, got a Tensor of shape (2,)",
        ),
        (
            "tlf_training_step(model, images)",
            "images.mean()",
            "the result must be a loss with a graph, got one that has no gradient",
        ),
    ],
)
def test_answers_that_are_none_name_their_plugin(install, hook, answer, told):
    install("loud", HEADER + f"@hookimpl\ndef {hook}:\n    return {answer}")
    call = getattr(load_plugins(["loud"]).hook, hook.partition("(")[0])
    step = {"model": None, "images": torch.zeros(2), "labels": None, "loss": None}
    with pytest.raises(PluginError, match=r"^plugin 'loud' \(tlf-loud 1.2\) failed in tlf_") as e:
        call(**({"history": [RESULT] * 3} if "history" in hook else step))
    assert told in str(e.value)


def test_right_answers_pass(install):
    install("calm", HEADER + "@hookimpl\ndef tlf_training_step(images):\n    return images.sum()")
    step = {"model": None, "images": torch.ones(2, requires_grad=True), "labels": 0, "loss": 0}
    assert load_plugins(["calm"]).hook.tlf_training_step(**step) == 2


def test_one_distribution_that_offers_a_name_twice(install, tmp_path):
    install("pool", HEADS)
    info = next((tmp_path / "tlf-pool").glob("*.dist-info")) / "entry_points.txt"
    info.write_text("[tlf]\npool = tlf_test_pool\npool = tlf_test_other\n")
    assert (
        failure("pool") == "plugin 'pool' is offered twice by tlf-pool 1.2; report it to its author"
    )


OWN = Offer("tlf_heads", "plain", Plain, Plugin("tlf", "tlf", "0.1"))
THIRD = Offer("tlf_heads", "pool:gem", Plain, Plugin("pool", "tlf-pool", "1.2"))


@pytest.mark.parametrize(
    ("offer", "error", "told"),
    [
        (OWN, ValueError("no stage 'x'"), "'plain' (tlf 0.1): no stage 'x'"),
        (THIRD, ValueError("no stage 'x'"), "'pool:gem' (tlf-pool 1.2): no stage 'x'{}"),
        (THIRD, KeyError("x"), "'pool:gem' (tlf-pool 1.2) failed in build: KeyError: 'x'{}"),
    ],
)
def test_blame_names_the_component_and_the_line_of_a_third_partys(offer, error, told):
    with pytest.raises(PluginError) as caught, blame(offer, "build"):
        raise error
    line = error.__traceback__.tb_next.tb_lineno
    assert str(caught.value) == told.format(f" (test_loading.py, line {line})")
    assert caught.value.__cause__ is error


def test_blame_lets_through_what_explains_itself():
    with pytest.raises(RecipeError), blame(THIRD, "build"):
        raise RecipeError(["seed: x"])
    with pytest.raises(KeyError), blame(OWN, "build"):
        raise KeyError("a fault of tlf's own keeps its traceback")


def test_what_comes_with_tlf_loads(monkeypatch):
    monkeypatch.undo()
    catalogue = load_plugins([]).catalogue
    assert "linear" in catalogue.of("tlf_heads")
    assert all(catalogue.of(hook) for hook in VERBS if hook != "tlf_extensions")
    assert all(":" not in offer.kind for offer in catalogue.offers)

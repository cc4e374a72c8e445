"""Which modules are registered, and what is said about the others."""

import importlib

import pytest

from installed_plugins import HEADER, HEADS, failure
from tlf.catalogue import Plugin
from tlf.errors import PluginError
from tlf.plugins.attribution import blaming_manager
from tlf.plugins.loading import load_plugins
from tlf.plugins.registration import events, register

pytestmark = pytest.mark.usefixtures("one_built_in_head")


@pytest.mark.parametrize(
    ("source", "message"),
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
    ],
)
def test_modules_that_are_no_plugins(install, source, message):
    install("sick", source)
    error = failure("sick")
    assert error.startswith("plugin 'sick' (tlf-sick 1.2): ")
    assert message in error
    assert "\n" not in error


def test_the_exception_of_a_broken_import_is_chained(install):
    install("sick", "1 / 0")
    with pytest.raises(PluginError) as caught:
        load_plugins(["sick"])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_one_module_under_two_names(install):
    install("one", HEADS, module="tlf_test_same")
    install("two", HEADS, module="tlf_test_same")
    assert "is the same module as plugin 'one'" in failure("one", "two")


def test_events_are_in_the_order_of_a_run(install):
    event = "\n@hookimpl\ndef tlf_{}_ended(result): pass"
    install("pool", HEADS + event.format("run") + event.format("epoch"))
    manager = blaming_manager({})
    module = importlib.import_module("tlf_test_pool")
    plugin = Plugin("pool", "tlf-pool", "1.2")
    (offer,) = register(manager, module, plugin, "pool")
    assert (offer.hook, offer.kind, offer.plugin) == ("tlf_heads", "pool:gem", plugin)
    assert events(manager, module, plugin) == ("tlf_epoch_ended", "tlf_run_ended")

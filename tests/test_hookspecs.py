import pluggy
import pytest

from tlf import hookspecs

HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("tlf_")}
DECISIONS = {"tlf_training_step", "tlf_stop", "tlf_select_best"}


@pytest.fixture
def manager():
    manager = pluggy.PluginManager("tlf")
    manager.add_hookspecs(hookspecs)
    return manager


def answering(name, answer, log=None):
    """A plugin that implements one hook with all its arguments."""
    code = HOOKS[name].__code__
    names = code.co_varnames[: code.co_argcount]
    scope = {"answer": answer, "log": [] if log is None else log}
    exec(f"def {name}({', '.join(names)}):\n    log.append(answer)\n    return answer", scope)
    plugin = type("Plugin", (), {})()
    setattr(plugin, name, hookspecs.hookimpl(scope[name]))
    return plugin, dict.fromkeys(names)


def test_every_hook_says_what_it_is_for():
    for name, hook in HOOKS.items():
        assert hook.__doc__, name
        arguments = hook.__code__.co_varnames[: hook.__code__.co_argcount]
        for argument in arguments:
            assert f"{argument}: " in hook.__doc__, f"{name} does not explain {argument}"


@pytest.mark.parametrize("name", HOOKS)
def test_every_plugin_is_called_until_a_decision_is_made(manager, name):
    log = []
    for answer in ("first", "second", None):
        plugin, arguments = answering(name, answer, log)
        manager.register(plugin)
    answers = getattr(manager.hook, name)(**arguments)
    if name in DECISIONS:
        assert (answers, log) == ("second", [None, "second"])
    else:
        assert (answers, log) == (["second", "first"], [None, "second", "first"])


def test_decisions_are_none_if_no_plugin_decides(manager):
    for name in DECISIONS:
        plugin, arguments = answering(name, None)
        manager.register(plugin)
        assert getattr(manager.hook, name)(**arguments) is None


def test_a_plugin_may_leave_out_arguments_but_not_invent_any(manager):
    class Wrong:
        @hookspecs.hookimpl
        def tlf_epoch_ended(self, epoch):
            """There is no such argument."""

    class Right:
        @hookspecs.hookimpl
        def tlf_epoch_ended(self):
            return "called"

    with pytest.raises(pluggy.PluginValidationError, match="epoch"):
        manager.register(Wrong())
    assert manager.register(Right())
    assert manager.hook.tlf_epoch_ended(result=None) == ["called"]

"""``tlf`` as a process of its own."""

import sys
import threading

import pytest

import tlf.__main__ as main


@pytest.fixture
def calls(monkeypatch):
    """The steps of ``program``, in order; the command itself returns 3."""
    calls = []
    steps = ("guard_imports", "guard_stdout", "collect_rarely", "ignore_warnings_of_pillow")
    for name in (*steps, "defer_imports", "keep_memory"):
        monkeypatch.setattr(main, name, lambda name=name: calls.append(name))
    monkeypatch.setattr(main, "leave", lambda status: calls.append(("leave", status)))
    monkeypatch.setattr("tlf.cli.main.main", lambda: calls.append("main") or 3)
    return calls


def test_the_process_is_prepared_before_the_command_and_ends_with_its_status(calls):
    with pytest.raises(SystemExit) as end:
        main.program()
    assert end.value.code == 3
    assert calls[:7] == [
        "guard_imports", "guard_stdout", "collect_rarely", "ignore_warnings_of_pillow",
        "defer_imports", "keep_memory", "main",
    ]  # fmt: skip


@pytest.mark.parametrize("daemon", [True, False])
def test_it_is_left_at_once_unless_a_thread_has_to_be_waited_for(calls, monkeypatch, daemon):
    other = threading.Thread(daemon=daemon)
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.main_thread(), other])
    with pytest.raises(SystemExit):
        main.program()
    assert (("leave", 3) in calls) == daemon


def test_the_module_is_a_command(tlf):
    done = tlf("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[-1] == sys.modules["tlf"].__version__

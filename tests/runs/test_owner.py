"""One process owns a run's folder, for as long as it lives."""

import errno
import fcntl
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from platform import node

import pytest

from places import ROOT
from run_files import metrics
from stopped_runs import HEAD_ALONE, write
from tlf.errors import RunError
from tlf.events import Notice, Updated
from tlf.results import RunResult
from tlf.runs import owner
from tlf.runs.owner import check_free, owned, owned_run
from tlf.runs.resume import resume
from tlf.runs.run import run
from tlf.training.checkpoint.requests import STOP

HOLD = """
import sys, time
from pathlib import Path
from tlf.runs.owner import owned
with owned(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(300)
"""


@pytest.fixture
def held(tmp_path):
    """Own the folder in another process, which is killed at the end of the test."""
    processes = []

    def hold(program=HOLD):
        command = [sys.executable, "-c", program, str(tmp_path)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def refusal(folder, process):
    return re.escape(
        f"the run in {folder} is running (process {process}, host {node()}); wait for it, or stop "
        f"it before you resume it: tlf stop {folder}"
    )


def own(folder):
    with owned(folder) as note:
        return note


def test_the_owner_is_named_and_leaves_no_file(tmp_path):
    with owned(tmp_path) as note:
        assert note is None
        for act in (own, check_free):
            with pytest.raises(RunError, match=refusal(tmp_path, os.getpid())):
                act(tmp_path)
    assert not [*tmp_path.iterdir()]
    assert own(tmp_path) is None
    check_free(tmp_path)


def test_an_owner_that_is_killed_owns_nothing(tmp_path, held):
    process = held()
    with pytest.raises(RunError, match=refusal(tmp_path, process.pid)):
        own(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    check_free(tmp_path)
    assert own(tmp_path) is None
    assert not [*tmp_path.iterdir()]


def test_a_process_that_a_killed_owner_has_forked_owns_nothing(tmp_path):
    """As one that loads images: it may outlive the run."""
    program = f"""
import os, signal, sys, time
from pathlib import Path
from tlf.runs.owner import owned
with owned(Path({str(tmp_path)!r})):
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
"""
    done = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE)
    child = int(done.stdout.readline())
    try:
        assert done.wait() == -signal.SIGKILL
        assert own(tmp_path) is None
    finally:
        os.kill(child, signal.SIGKILL)
        done.stdout.close()


def test_a_fork_of_the_owner_takes_nothing_away(tmp_path):
    with ExitStack() as exits:
        exits.enter_context(owned(tmp_path))
        child = os.fork()
        if child == 0:
            try:
                exits.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        with pytest.raises(RunError, match="is running"):
            own(tmp_path)


def test_an_owner_that_ends_while_another_opens_the_file_is_no_obstacle(tmp_path, monkeypatch):
    """The other one has locked a file that is no longer there: it makes a new one."""
    is_at, answers = owner._is_at, iter([False])
    monkeypatch.setattr(owner, "_is_at", lambda path, handle: next(answers, is_at(path, handle)))
    with owned(tmp_path):
        assert (tmp_path / "lock").read_text() == f"process {os.getpid()}, host {node()}\n"


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def refuse(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert own(tmp_path) == (
        f"{tmp_path} cannot be locked (No locks available): resume it nowhere else while it runs"
    )


def test_a_lock_that_another_host_holds(tmp_path, monkeypatch):
    """A network file system may say EACCES; what the file says is shown if it can be an owner."""

    def refuse(handle, how):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / "lock").write_text("process 12, host far-away.example\n")
    with pytest.raises(RunError, match=r"is running \(process 12, host far-away\.example\); wait"):
        own(tmp_path)
    (tmp_path / "lock").write_bytes(b"\x1b[31m\xff" * 100)
    with pytest.raises(RunError, match="is running; wait"):
        own(tmp_path)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    with pytest.raises(RunError, match=r"cannot write .*lock: No such file or directory"):
        own(tmp_path / "gone")
    (tmp_path / "lock").mkdir()
    with pytest.raises(RunError, match=r"cannot write .*lock: Is a directory"):
        own(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can be others")
def test_a_request_that_cannot_be_removed_is_named_and_nothing_is_owned(tmp_path):
    (tmp_path / STOP).mkdir()
    told = rf"cannot remove {tmp_path}/stop, which would stop the run at once; remove it"
    for _ in range(2):
        with pytest.raises(RunError, match=told), owned(tmp_path):
            raise AssertionError
    assert [path.name for path in tmp_path.iterdir()] == ["stop"]


def test_another_user_may_resume_a_killed_run(tmp_path, held):
    process = held()
    process.kill()
    process.wait()
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("test_", "pytest-", "popen-")):
            folder.chmod(0o777)
    os.seteuid(65534)
    try:
        assert own(tmp_path) is None
    finally:
        os.seteuid(0)
    assert not [*tmp_path.iterdir()]


def own_run(folder):
    with owned_run(folder):
        pass


def test_only_an_unfinished_run_is_owned(run_copy, tmp_path, monkeypatch):
    for folder, why in ((tmp_path, "is not the folder of a run"), (run_copy, "has ended")):
        with pytest.raises(RunError, match=why):
            own_run(folder)
    (run_copy / "model.safetensors").rename(run_copy / "aside")
    own_run(run_copy)

    def wait_for_the_end(folder, opened=owner._opened):
        (run_copy / "aside").rename(run_copy / "model.safetensors")
        return opened(folder)

    monkeypatch.setattr(owner, "_opened", wait_for_the_end)
    with pytest.raises(RunError, match="has ended"):
        own_run(run_copy)


def test_a_run_that_runs_is_neither_resumed_nor_changed(tmp_path, images, main):
    path, output = write(tmp_path, images, text=HEAD_ALONE)
    events = run(path)
    next(event for event in events if isinstance(event, Updated))
    code, out, err = main("resume", output)
    assert (code, out) == (2, "")
    assert re.fullmatch(f"error: {refusal(output, os.getpid())}\n", err)
    *_, result = events
    assert isinstance(result, RunResult)
    assert len(metrics(output)) == 2
    assert not (output / "lock").exists()


def test_a_run_that_is_given_up_is_free_again(tmp_path, images):
    path, output = write(tmp_path, images, text=HEAD_ALONE)
    events = run(path)
    next(event for event in events if isinstance(event, Updated))
    events.close()
    assert not (output / "lock").exists()
    *_, result = resume(output)
    assert len(metrics(output)) == len(result.history) == 2


def test_a_run_says_that_its_folder_cannot_be_locked(tmp_path, images, monkeypatch):
    monkeypatch.setattr(owner, "_lock", lambda *_, **__: "no locks here")
    path, _ = write(tmp_path, images, text=HEAD_ALONE)
    assert "no locks here" in [event.text for event in run(path) if isinstance(event, Notice)]

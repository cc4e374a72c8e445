"""Settings of the command line's own process."""

import gc
import os
import signal
import subprocess
import sys
from ctypes import CDLL

import pytest

from tlf.cli import process
from tlf.errors import StoppedError
from tlf.events import Notice, SegmentStarted


def test_exit_handlers_run_and_output_is_flushed_before_the_end():
    program = """
import atexit
from tlf.cli.process import leave
atexit.register(print, "reported")
print("printed", end=" ")
leave(3)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.split() == ["printed", "reported"]


def test_warnings_of_pillow_are_not_shown():
    program = """
import warnings
from tlf.cli.process import ignore_warnings_of_pillow
ignore_warnings_of_pillow()
warnings.warn_explicit("damaged EXIF", UserWarning, "Image.py", 1, "PIL.TiffImagePlugin")
warnings.warn_explicit("another", UserWarning, "mine.py", 1, "mine")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "another" in done.stderr
    assert "EXIF" not in done.stderr


def test_ctrl_c_during_imports_ends_the_process_at_once(tmp_path):
    # Code in C, such as torch's import of numpy, loses the exception.
    loses = (
        "import os, signal\ntry: os.kill(os.getpid(), signal.SIGINT)\nexcept BaseException: pass"
    )
    (tmp_path / "loses.py").write_text(loses)
    program = """
import os, signal
from tlf.cli.process import guard_imports
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
guard_imports()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("raised", flush=True)
import loses
print("not reached", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "raised\n", "\ninterrupted\n")


def test_ctrl_c_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.guard_imports()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_sigterm_raises_so_that_what_is_half_written_is_removed():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end, process.stopped_cleanly():
        signal.raise_signal(signal.SIGTERM)
    assert end.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def heard():
    """Ctrl-C raises, also where pytest is a job in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(
    ("stop", "by"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGINT), "Ctrl-C"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "SIGTERM"),
        (lambda: (_ for _ in ()).throw(StoppedError("runs/a", "request")), "request"),
    ],
)
def test_a_study_that_is_stopped_says_that_the_same_command_goes_on(stop, by):
    with pytest.raises(StoppedError) as stopped, process.goes_on("what is done is kept"):
        next(iter(stop() or ()))
    assert stopped.value.by == by
    assert str(stopped.value) == (
        f"stopped by {by}; what is done is kept: write the same command to go on"
    )


def test_events_pass_through_and_each_segment_sets_how_memory_is_kept(monkeypatch):
    kept, frozen = [], []
    monkeypatch.setattr(process, "keep_memory", lambda *, large: kept.append(large))
    monkeypatch.setattr(process, "settle", lambda: frozen.append(True))
    events = [
        Notice("one"),
        SegmentStarted("head", 0, {}, "features"),
        SegmentStarted("all", 0, {}, "images"),
    ]
    assert [*process.settled(iter(events))] == events
    assert kept == [True, False]
    assert frozen == [True]


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(CDLL(None), "mallopt"), reason="needs glibc"
)
def test_freed_memory_stays_in_the_process():
    program = """
from tlf.cli.process import keep_memory
import resource
{}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(2):
    block = bytearray(64 * 2**20); del block
before = faults()
for _ in range(4):
    block = bytearray(64 * 2**20); del block
print(faults() - before)
"""
    faults = {}
    for setting in ("keep_memory()", "pass"):
        done = subprocess.run(
            [sys.executable, "-c", program.format(setting)],
            capture_output=True, text=True, check=True,
            env={**os.environ, "GLIBC_TUNABLES": ""},
        )  # fmt: skip
        faults[setting] = int(done.stdout)
    assert faults["keep_memory()"] < faults["pass"] / 2


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OTHER"])
def test_threads_wait_awake_for_a_short_time_unless_a_person_says_how_long(monkeypatch, name):
    environment = {name: "9"}
    monkeypatch.setattr(os, "environ", environment)
    process.wait_briefly()
    said = {} if name != "OTHER" else {"GOMP_SPINCOUNT": "2000"}
    assert environment == {name: "9"} | said


def test_the_collector_waits_longer():
    before = gc.get_threshold()
    try:
        process.collect_rarely()
        assert gc.get_threshold()[0] == 100_000
    finally:
        gc.set_threshold(*before)

import os
import subprocess
import sys

import pytest

from tlf.errors import RunError
from tlf.runtime.cores import (
    check_alone,
    in_parallel,
    is_first,
    local_processes,
    processes,
    threads_are_chosen,
    usable_cores,
)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux has affinity")
def test_only_the_cores_that_the_process_may_run_on_count():
    allowed = os.sched_getaffinity(0)
    assert usable_cores() == len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_without_affinity_all_cores_of_the_machine_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


@pytest.mark.parametrize(
    ("count", "variable"), [(processes, "WORLD_SIZE"), (local_processes, "LOCAL_WORLD_SIZE")]
)
def test_the_launcher_sets_the_number_of_processes(monkeypatch, count, variable):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert count() == 1
    monkeypatch.setenv(variable, "4")
    assert count() == 4


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({"WORLD_SIZE": "2"}, "2"),
        ({"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1"}, "more"),
    ],
)
def test_several_processes_are_not_alone(monkeypatch, environment, count):
    for name in ("WORLD_SIZE", "ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    check_alone("a check")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError) as caught:
        check_alone("a check")
    assert str(caught.value) == (
        f"a check must be one process, got {count}; start it without a launcher"
    )


LAUNCHER = """
import os, subprocess, sys
os.environ |= {"LOCAL_WORLD_SIZE": "2"}
os.environ.setdefault("OMP_NUM_THREADS", "1")
ask = "from tlf.runtime.cores import threads_are_chosen; print(threads_are_chosen())"
subprocess.run([sys.executable, "-c", ask], check=True)
"""
"""Starts a process as torchrun does."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the launcher's environment")
@pytest.mark.parametrize(
    ("environment", "arguments", "chosen"),
    [
        ({}, [], False),
        ({"OMP_NUM_THREADS": "1"}, [], True),
        ({"OMP_NUM_THREADS": "3"}, [], True),
        ({}, ["--num_cpu_threads_per_process", "1"], True),
        ({}, ["--num_cpu_threads_per_process=2"], True),
    ],
)
def test_a_persons_number_of_threads_is_told_from_a_launchers(environment, arguments, chosen):
    outside = {n: v for n, v in os.environ.items() if n != "OMP_NUM_THREADS"} | environment
    process = [sys.executable, "-c", LAUNCHER, *arguments]
    done = subprocess.run(process, env=outside, check=True, capture_output=True, text=True)
    assert done.stdout == f"{chosen}\n"


def test_without_a_launcher_the_number_of_threads_is_a_persons(monkeypatch):
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert threads_are_chosen()


def test_where_the_launcher_cannot_be_seen_it_has_set_the_threads(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr("tlf.runtime.cores.os.getppid", lambda: 2**30)
    assert not threads_are_chosen()


def test_the_launcher_says_which_process_is_the_first(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert is_first()
    monkeypatch.setenv("RANK", "1")
    assert not is_first()


def test_work_is_done_for_each_item_and_its_error_is_raised():
    done = []
    in_parallel(done.append, range(5))
    assert sorted(done) == [*range(5)]
    in_parallel(done.append, [])
    with pytest.raises(ZeroDivisionError):
        in_parallel(lambda item: 1 / item, [1, 0])

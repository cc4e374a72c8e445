import os

import pytest

from tlf.runtime.cores import is_first, local_processes, processes, usable_cores


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


def test_the_launcher_says_which_process_is_the_first(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert is_first()
    monkeypatch.setenv("RANK", "1")
    assert not is_first()

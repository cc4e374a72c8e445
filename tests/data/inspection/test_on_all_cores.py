"""Every chunk has its results, in order. Errors: ``test_for_each_image.py``."""

import multiprocessing
import os
import sys
import time

import pytest

from tlf.data.inspection.on_all_cores import _WORTH_TORCH, chunk_of, on_all_cores

FORKED = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


@pytest.mark.parametrize(
    ("count", "cores", "size"), [(0, 2, 1), (31, 1, 1), (1280, 2, 10), (10**6, 4, 16)]
)
def test_each_core_gets_several_chunks(count, cores, size):
    assert chunk_of(count, cores) == size


@pytest.mark.parametrize("cores", [1, 4])
def test_parts_are_in_the_order_of_the_chunks(cores):
    chunks = [range(start, start + 5) for start in range(0, 100, 5)]
    parts = [*on_all_cores(lambda index: index**2, chunks, cores)]
    assert parts == [[(index, index**2) for index in chunk] for chunk in chunks]


@FORKED
def test_the_others_do_what_a_slow_process_leaves():
    """It has two chunks: the one that it is about, and the next one."""
    done = multiprocessing.get_context("fork").Value("i", 0)

    def wait_for_the_others(index):
        end = time.monotonic() + 60
        while index == 0 and done.value < 18:
            assert time.monotonic() < end, f"the others have done {done.value} chunks"
            time.sleep(0.01)
        with done.get_lock():
            done.value += 1
        return index

    parts = [*on_all_cores(wait_for_the_others, [[index] for index in range(20)], 4)]
    assert parts == [[(index, index)] for index in range(20)]


@FORKED
@pytest.mark.parametrize(
    ("imported", "images", "expected"),
    [(True, 8, True), (False, 8, False), (False, _WORTH_TORCH, True)],
)
def test_few_images_do_not_wait_for_the_import_of_torch(monkeypatch, imported, images, expected):
    if not imported:
        monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(
        "tlf.data.inspection.on_all_cores._by_processes", lambda *_: iter(["processes"])
    )
    size = images // 4
    chunks = [range(start, start + size) for start in range(0, images, size)]
    parts = [*on_all_cores(lambda _: os.getpid(), chunks, 4)]
    assert (parts == ["processes"]) is expected

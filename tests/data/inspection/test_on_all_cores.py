"""Every chunk has its results, in order. Errors: ``test_for_each_image.py``."""

import os
import sys

import pytest

from tlf.data.inspection.on_all_cores import _WORTH_TORCH, chunk_of, on_all_cores


@pytest.mark.parametrize(
    ("count", "cores", "size"), [(0, 2, 1), (31, 1, 1), (320, 2, 10), (10**6, 4, 64)]
)
def test_each_core_gets_several_chunks(count, cores, size):
    assert chunk_of(count, cores) == size


@pytest.mark.parametrize("cores", [1, 4])
def test_parts_are_in_the_order_of_the_chunks(cores):
    chunks = [range(start, start + 5) for start in range(0, 100, 5)]
    parts = [*on_all_cores(lambda index: index**2, chunks, cores)]
    assert parts == [[(index, index**2) for index in chunk] for chunk in chunks]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
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

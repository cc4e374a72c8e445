"""Every image is visited once, and errors come out; two processes: ``test_inspect.py``."""

import multiprocessing
import os

import pytest

from generators import exhausted
from tlf.data.inspection.answers import in_order
from tlf.data.inspection.for_each_image import for_each_image
from tlf.errors import DataError
from tlf.events import Prepared
from tlf.runtime.devices import start_accelerator


@pytest.fixture(params=[1, 4], ids=["threads", "processes"])
def cores(request, monkeypatch):
    monkeypatch.setattr("tlf.data.inspection.for_each_image.usable_cores", lambda: request.param)
    return request.param


def results(count, function):
    """Rows and notes of all images, and the events."""
    found = for_each_image(start_accelerator("no"), count, "title", function, 2)
    [machine], events = exhausted(found)
    return *in_order(machine.answers.values(), count, 2), events


@pytest.mark.parametrize("count", [0, 1, 100, 5000])
def test_every_image_has_its_result(count, cores):
    rows, notes, events = results(
        count, lambda index: (index.to_bytes(2, "little") if index % 2 else b"", os.getpid())
    )
    assert rows.view("<u2").ravel().tolist() == [i if i % 2 else 0 for i in range(count)]
    assert [*notes] == [*range(count)]
    assert events[-1:] == ([Prepared("title", count, count)] if count else [])
    elsewhere = {*notes.values()} - {os.getpid()}
    assert bool(elsewhere) == (cores > 1 and count >= cores)


@pytest.mark.parametrize("kind", [DataError, OSError])
def test_an_error_is_the_functions_own(kind, cores):
    def broken(index):
        if index == 7:
            raise kind("the file changed")
        return b"", None

    before = multiprocessing.active_children()
    with pytest.raises(kind, match=r"\Athe file changed\Z") as error:
        results(10, broken)
    # Collected as garbage with the error, each process would be waited for 5 seconds.
    assert error.value.__traceback__
    assert multiprocessing.active_children() == before

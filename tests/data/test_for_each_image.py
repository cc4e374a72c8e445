"""Every image is visited once, and errors come out; two processes: ``test_inspect.py``."""

import pytest

from tlf.data.for_each_image import for_each_image
from tlf.errors import DataError
from tlf.results import Prepared
from tlf.runtime.devices import start_accelerator


def results(count, function):
    generator, events = for_each_image(start_accelerator("no"), count, "title", function), []
    while True:
        try:
            events.append(next(generator))
        except StopIteration as end:
            return end.value, events


@pytest.mark.parametrize("count", [0, 1, 100, 5000])
def test_every_image_has_its_result(count):
    found, events = results(count, lambda index: index * index)
    assert found == {index: index * index for index in range(count)}
    assert events[-1:] == ([Prepared("title", count, count)] if count else [])


@pytest.mark.parametrize("error", [DataError("bad"), OSError("bad")])
def test_an_error_comes_out(error):
    def broken(index):
        if index == 7:
            raise error

    with pytest.raises(type(error), match="bad"):
        results(10, broken)

import os

import pytest
from accelerate import Accelerator

from tlf.data import each_image
from tlf.errors import DataError


def run(count, function):
    generator = each_image.for_each_image(Accelerator(cpu=True), count, "reading", function)
    events = []
    while True:
        try:
            events.append(next(generator))
        except StopIteration as stopped:
            return stopped.value, events


@pytest.fixture(params=[1, 4], ids=["threads", "processes"])
def cores(request, monkeypatch):
    monkeypatch.setattr(each_image, "usable_cores", lambda: request.param)
    return request.param


def test_every_image_once(cores):
    results, events = run(200, lambda index: (index * index, os.getpid()))
    assert {i: square for i, (square, _) in results.items()} == {i: i * i for i in range(200)}
    assert events[-1].done == events[-1].images == 200
    elsewhere = {process for _, process in results.values()} - {os.getpid()}
    assert bool(elsewhere) == (cores > 1)


@pytest.mark.parametrize("kind", [DataError, OSError])
def test_an_error_is_the_functions_own(cores, kind):
    def function(index: int) -> int:
        if index == 150:
            raise kind("the file changed")
        return index

    with pytest.raises(kind, match=r"\Athe file changed\Z"):
        run(200, function)


def test_few_images_need_no_processes(cores):
    results, _ = run(3, lambda index: os.getpid())
    assert set(results.values()) == {os.getpid()}

"""Which images are classified together, and whose errors are whose."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tlf.serving.batches import Batches


def run(scenario, classify=None, size=4, window=30):
    """Run a coroutine with batches; the sizes of those that were made. Only what is being read is
    waited for, so a long window costs no time.
    """
    sizes = []

    async def all_of_it(computes):
        found = partial(computes.submit, classify or (lambda images: [[one] for one in images]))
        batches = Batches(found, size, window, sizes.append)
        task = asyncio.create_task(batches.run())
        try:
            await scenario(batches)
        finally:
            task.cancel()

    with ThreadPoolExecutor(1) as computes:
        asyncio.run(asyncio.wait_for(all_of_it(computes), 60))
    return sizes


def reads(*values):
    return [lambda value=value: value for value in values]


def test_images_of_one_request_come_back_in_their_order():
    async def scenario(batches):
        assert await batches.classified(reads(3, 1, 2)) == [[3], [1], [2]]

    assert run(scenario) == [3]


def test_an_image_alone_waits_for_nobody():
    async def scenario(batches):
        await batches.classified(reads(1))

    assert run(scenario, window=60) == [1]


def test_requests_that_come_together_are_classified_together_in_parts_of_a_batch():
    async def scenario(batches):
        found = await asyncio.gather(*(batches.classified(reads(n)) for n in range(6)))
        assert found == [[[n]] for n in range(6)]

    assert run(scenario) == [4, 2]


def test_an_image_waits_no_longer_than_the_window_for_one_that_is_read(monkeypatch):
    monkeypatch.setattr("tlf.serving.batches.usable_cores", lambda: 2)  # one of them is held up
    go = threading.Event()

    def slow():
        assert go.wait(60)
        return 2

    async def scenario(batches):
        late = asyncio.create_task(batches.classified([slow]))
        await asyncio.sleep(0)
        assert await batches.classified(reads(1)) == [[1]]
        go.set()
        assert await late == [[2]]

    assert run(scenario, window=0.01) == [1, 1]


def test_an_image_that_cannot_be_read_ends_its_own_request_alone():
    def unreadable():
        raise ValueError("unreadable")

    async def scenario(batches):
        bad, good = await asyncio.gather(
            batches.classified([*reads(1), unreadable]), batches.classified(reads(2)),
            return_exceptions=True,
        )  # fmt: skip
        assert (str(bad), good) == ("unreadable", [[2]])
        assert batches.waiting == 0
        assert await batches.classified(reads(3)) == [[3]]

    run(scenario)


def test_an_image_that_cannot_be_classified_harms_no_other():
    def classify(images):
        if 13 in images:
            raise ZeroDivisionError
        return [[one] for one in images]

    async def scenario(batches):
        found = await asyncio.gather(
            *(batches.classified(reads(n)) for n in (1, 13, 2)), return_exceptions=True
        )
        assert [type(one) for one in found] == [list, ZeroDivisionError, list]

    assert run(scenario, classify) == [3, 1, 1, 1]


def test_who_has_left_is_not_classified():
    seen = []

    def classify(images):
        seen.extend(images)
        return [[one] for one in images]

    async def scenario(batches):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await batches.classified(reads(1))
        assert await batches.classified(reads(2)) == [[2]]

    run(scenario, classify)
    assert 1 not in seen

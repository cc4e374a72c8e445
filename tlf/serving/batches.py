"""Images of all requests, classified together: a batch takes less time than its images alone."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from tlf.inference.prediction import Prediction
from tlf.runtime.cores import usable_cores
from tlf.serving.models import Read

Classify = Callable[[Sequence[Read]], Future[list[list[Prediction]]]]


@dataclass(eq=False, frozen=True)
class Waiting:
    """An image that waits for a batch."""

    image: Read
    found: "asyncio.Future[list[Prediction]]"


class Batches:
    """Threads read images, one thread classifies batches of them, and an event loop hands over.

    Everything but the work in threads happens in the loop, so nothing needs a lock.
    """

    def __init__(
        self, classify: Classify, size: int, window: float, seen: Callable[[int], None]
    ) -> None:
        """Batches of ``size`` images at most.

        Parameters:
            classify: lets the thread give the predictions for each image of a batch.
            size: the most images of a batch.
            window: how many seconds the first image of a batch waits for images that are read.
            seen: told the size of each batch.
        """
        self._classify, self._size, self._window, self._seen = classify, size, window, seen
        self._readers = ThreadPoolExecutor(usable_cores(), "tlf serve: reads")
        self._queue: deque[Waiting] = deque()
        self._reading = 0
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many images wait for a batch."""
        return len(self._queue)

    async def classified(self, reads: Sequence[Callable[[], Read]]) -> list[list[Prediction]]:
        """The predictions for images. ``reads``: what reads each of them; called in a thread."""
        tasks = [asyncio.create_task(self._one(read)) for read in reads]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _one(self, read: Callable[[], Read]) -> list[Prediction]:
        loop = asyncio.get_running_loop()
        self._reading += 1
        try:
            image = await loop.run_in_executor(self._readers, read)
        finally:
            self._reading -= 1
            self._changed.set()
        waiting = Waiting(image, loop.create_future())
        self._queue.append(waiting)
        return await waiting.found

    async def run(self) -> None:
        """Classify batches, until it is cancelled."""
        try:
            while True:
                if batch := await self._next():
                    await self._answer(batch)
        finally:
            self._readers.shutdown(wait=False, cancel_futures=True)

    async def _next(self) -> list[Waiting]:
        """The next batch. Nobody waits for a request that has not arrived."""
        while not self._queue:
            await self._change()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._window
        while len(self._queue) < self._size and self._reading and (left := until - loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._change()
        batch = [self._queue.popleft() for _ in range(min(self._size, len(self._queue)))]
        return [one for one in batch if not one.found.done()]  # its client is gone

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _answer(self, batch: Sequence[Waiting]) -> None:
        images = [one.image for one in batch]
        self._seen(len(images))
        try:
            found = await asyncio.wrap_future(self._classify(images))
        except Exception as error:  # a plugin's network may raise anything
            if len(batch) > 1:  # images of others have no part in it
                for one in batch:
                    await self._answer([one])
            elif not batch[0].found.done():
                batch[0].found.set_exception(error)
            return
        for one, predictions in zip(batch, found, strict=True):
            if not one.found.done():
                one.found.set_result(predictions)

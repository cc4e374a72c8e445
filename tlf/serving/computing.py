"""The one thread that loads the models and classifies.

OpenMP gives each thread that computes a team of its own, of as many threads as there are cores.
Once two teams have more threads than there are cores, GNU's lets threads sleep between any two
operations, instead of waiting awake for some microseconds: each of 160 in ResNet-18 then begins
with a call of the system. So nothing is computed in a second thread.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class ComputingThread:
    """Calls functions one after the other in its thread, while the context lasts.

    Nobody waits for what it computes at the end of the context, nor at that of the program: Ctrl-C
    ends it while a model is loaded.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()

    def __enter__(self) -> Self:
        threading.Thread(target=self._work, name="tlf serve: computes", daemon=True).start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._calls.put(None)

    def submit(
        self,
        function: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Future[Result]:
        """Call a function in the thread, after those before it."""
        future: Future[Result] = Future()
        self._calls.put((future, lambda: function(*arguments, **named)))
        return future

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            future, function = call
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except BaseException as error:  # whoever waits for it gets it
                    future.set_exception(error)
            del call, future, function  # the images of a batch, until there is another one

"""The thread that computes: one call after the other, and nobody waits for it at the end."""

import threading
from concurrent.futures import Future

import pytest

from tlf.serving.computing import ComputingThread


def test_calls_are_made_in_one_other_thread_in_their_order():
    seen = []
    with ComputingThread() as computes:
        calls = [computes.submit(seen.append, number) for number in range(5)]
        thread = computes.submit(threading.current_thread).result(60)
        assert [call.result(60) for call in calls] == [None] * 5
        assert computes.submit(divmod, 7, 2).result(60) == (3, 1)
    assert seen == [0, 1, 2, 3, 4]
    assert thread is not threading.current_thread()
    assert thread.daemon  # Ctrl-C ends the program while a model is loaded
    thread.join(60)
    assert not thread.is_alive()


def test_an_error_is_that_of_its_call_alone():
    with ComputingThread() as computes:
        failing = computes.submit(divmod, 1, 0)
        ending = computes.submit(Future().result, 0)
        with pytest.raises(ZeroDivisionError):
            failing.result(60)
        with pytest.raises(TimeoutError):
            ending.result(60)
        assert computes.submit(abs, -1).result(60) == 1


def test_what_is_cancelled_is_not_called_and_nobody_waits_at_the_end():
    go, begun, seen = threading.Event(), threading.Event(), []

    def long():
        begun.set()
        assert go.wait(60)
        return threading.current_thread()

    with ComputingThread() as computes:
        first, second = computes.submit(long), computes.submit(seen.append, 2)
        assert begun.wait(60)
        assert second.cancel()
    assert not first.done()
    go.set()
    first.result(60).join(60)
    assert seen == []

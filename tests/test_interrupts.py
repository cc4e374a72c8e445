import os
import signal
import threading

import pytest

from tlf.resuming.interrupts import watching


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_stops(number):
    before = signal.getsignal(number)
    with watching() as interrupted:
        assert interrupted.by is None
        os.kill(os.getpid(), number)
        assert interrupted.by == number.name
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_in_a_thread_nothing_is_watched():
    seen = []

    def work():
        with watching() as interrupted:
            seen.append(interrupted.by)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]

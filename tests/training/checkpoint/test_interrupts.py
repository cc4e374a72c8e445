import os
import signal
import threading
import time

import pytest

from tlf.training.checkpoint import interrupts
from tlf.training.checkpoint.interrupts import watching


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_a_later_one_stops_at_once(number, monkeypatch):
    before = signal.getsignal(number)
    with watching() as interrupted:
        assert interrupted.by is None
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)  # as launchers do, who pass on what all were sent
        assert interrupted.by == number.name
        now = time.monotonic()
        monkeypatch.setattr(interrupts.time, "monotonic", lambda: now + 3)
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

"""How often the host waits for the device, and processes for each other.

A GPU computes while its host prepares the next updates; whenever the host reads a number of it, it
has to wait. So numbers are read, and processes agree whether to go on, at some updates only.
"""

import time

from tlf.training.job import Job

UPDATES = 20
"""The most updates between two points at which the host waits."""

SECONDS = 1.0
"""The time between two such points, where updates are slow."""


class Pace:
    """Counts updates, or evaluated batches, and says after which of them the host waits.

    All processes wait after the same ones. Their clocks differ, so they agree at each such point on
    the distance to the next one. So does one process with itself: a GPU takes in many updates at
    once, and the host sees only at the next point how long they took.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._alone = job.accelerator.num_processes == 1
        self._distance = UPDATES if self._alone else 1
        self._before = UPDATES
        self._count, self._since = 0, time.monotonic()

    def waits(self) -> bool:
        """Count one more; whether the host waits after it."""
        self._count += 1
        seconds = time.monotonic() - self._since
        if self._count < self._distance and not (self._alone and seconds >= SECONDS):
            return False
        # In this time the device has made the updates before the last point, or those since then.
        made = self._job.accelerator.num_processes * min(self._count, self._before)
        (total,) = self._job.summed([seconds])
        self._distance = max(1, int(min(UPDATES, SECONDS * made / max(total, 1e-9))))
        self._before, self._count, self._since = self._count, 0, time.monotonic()
        return True

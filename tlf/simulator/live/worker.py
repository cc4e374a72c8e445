"""The one thread that makes the steps that the tabs ask for.

A tab that asks is answered at once, and is told what happens by events. A step is never
interrupted. Requests are carried out between two steps: of settings, only the newest; so no queue
can grow.
"""

import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from tlf.errors import TlfError
from tlf.plugins.tracebacks import reason
from tlf.simulator.live.lanes import Event, Lanes
from tlf.simulator.live.snapshot import Snapshot
from tlf.simulator.messages import MOST_STEPS_AT_ONCE, settings_as_json
from tlf.simulator.settings import Settings
from tlf.simulator.simulation import Simulation

MOST_STEPS = 1000
"""Steps until a reset: the record of each is kept."""
Listener = Callable[[str | None], None]
"""Takes an event as JSON, and None at the end. It returns at once."""
Work = Callable[[], Iterator[Event]]


class RefusedError(TlfError):
    """What a tab asks for cannot be done now."""


@dataclass
class _Requests:
    """What was asked for and is not begun yet."""

    lanes: Sequence[Settings] | None = None
    reset: bool = False
    steps: int = 0


class Worker:
    """Makes steps, and tells what happens."""

    def __init__(self, simulation: Simulation) -> None:
        """Open the first lane. ``start`` starts the thread.

        Raises:
            TlfError: its network cannot be built.
        """
        self._simulation = simulation
        self._lanes = Lanes(simulation)
        self._snapshot = Snapshot()
        for event in self._lanes.change([simulation.scene.presets[0].settings]):
            self._snapshot.add(event)
        self._thread = threading.Thread(target=self._work, name="tlf simulate", daemon=True)
        self._changed = threading.Condition()
        """Guards the snapshot and all that follows."""
        self._requested = _Requests()
        self._listeners: list[Listener] = []
        self._stepping = self._ended = False
        self._broken: str | None = None
        """Why no step is made until a reset."""

    def start(self) -> None:
        """Begin to do what is asked for."""
        self._thread.start()

    def follow(self, listener: Listener) -> str:
        """Tell a listener every event from now on.

        Returns:
            The event that says how everything is now.
        """
        with self._changed:
            if self._ended:
                listener(None)
            else:
                self._listeners.append(listener)
            return self._snapshot.text()

    def leave(self, listener: Listener) -> None:
        """Tell a listener nothing more."""
        with self._changed:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def change(self, lanes: Sequence[Settings]) -> None:
        """Use these settings from the next step on. Tabs are told at once: what a person changes
        next begins with them.
        """
        with self._changed:
            self._requested.lanes = lanes
            self._tell_settings()
            self._changed.notify()

    def step(self, count: int) -> None:
        """Make so many steps more.

        Raises:
            RefusedError: the network is broken, or there are too many steps.
        """
        with self._changed:
            waiting = self._requested.steps
            if self._broken and not self._requested.reset:
                raise RefusedError(self._broken)
            if self._lanes.step >= MOST_STEPS and not self._requested.reset:
                raise RefusedError(
                    f"the page keeps {MOST_STEPS:,} steps at most, and all are made; reset to make "
                    "new ones"
                )
            if waiting + count > MOST_STEPS_AT_ONCE:
                raise RefusedError(
                    f"at most {MOST_STEPS_AT_ONCE} steps can wait, and {waiting} do; wait, or stop"
                )
            self._requested.steps += count
            self._tell_stepping(on=True)
            self._changed.notify()

    def stop(self) -> None:
        """Make no step after the one that is being made."""
        with self._changed:
            self._requested.steps = 0
            self._changed.notify()

    def reset(self) -> None:
        """Go back to the state before the first step."""
        with self._changed:
            self._requested.steps, self._requested.reset = 0, True
            self._tell_stepping(on=True)
            self._changed.notify()

    def end(self, why: str) -> None:
        """Tell every tab why it ends, and nothing after that. A step that is being made comes to
        its end, and the thread with it; nobody waits for it.
        """
        with self._changed:
            self._tell({"kind": "failed", "text": why, "ended": True})
            for listener in self._listeners:
                listener(None)
            self._listeners.clear()
            self._ended = True
            self._changed.notify()

    def _work(self) -> None:
        while (work := self._next()) is not None:
            self._do(work)

    def _next(self) -> Work | None:
        """What to do, as soon as there is something; None at the end."""
        with self._changed:
            while not self._ended:
                if work := self._requested_work():
                    self._tell_stepping(on=True)
                    return work
                self._tell_stepping(on=False)
                if (lane := self._lanes.uncounted()) is not None:
                    return partial(self._lanes.count_costs, lane)
                self._changed.wait()
            return None

    def _requested_work(self) -> Work | None:
        requested = self._requested
        if (lanes := requested.lanes) is not None:
            requested.lanes = None
            if [*lanes] != [*self._lanes.settings]:
                return partial(self._lanes.change, lanes)
        if requested.reset:
            requested.reset = False
            return self._lanes.reset
        if requested.steps and self._lanes.step < MOST_STEPS:
            requested.steps -= 1
            return self._lanes.make_step
        requested.steps = 0
        return None

    def _do(self, work: Work) -> None:
        """Do it, and tell what happens. An error ends what was asked for, and not the program."""
        failed = None
        try:
            for event in work():
                with self._changed:
                    self._tell(event)
        except Exception as error:
            failed = str(error) if isinstance(error, TlfError) else reason(error)
            if not isinstance(error, TlfError):
                traceback.print_exception(error)  # a bug: what the page shows is not enough
        with self._changed:
            self._judge(failed)
            self._tell_settings()

    def _judge(self, failed: str | None) -> None:
        """Tell what went wrong, and whether steps can still be made."""
        before = self._broken
        if self._lanes.intact and not self._lanes.broken:
            self._broken = None
        elif failed or not before:  # otherwise the reason is known: costs may be computed since
            why = failed or self._lanes.broken
            self._broken = f"{why}; no further step is made until a reset"
        if self._broken and self._broken != before:
            self._requested.steps = 0
            self._tell({"kind": "failed", "text": self._broken})
        elif failed:
            self._tell({"kind": "failed", "text": failed})

    def _tell_settings(self) -> None:
        """Tell what is asked for; after an error, what is kept."""
        lanes = self._lanes.settings if self._requested.lanes is None else self._requested.lanes
        for index, settings in enumerate(map(settings_as_json, lanes)):
            if self._snapshot.differs(index, settings):
                self._tell({"kind": "settings", "lane": index, "settings": settings})

    def _tell_stepping(self, *, on: bool) -> None:
        if on != self._stepping:
            self._stepping = on
            left = 0 if self._lanes.step >= MOST_STEPS else None
            self._tell({"kind": "stepping", "on": on, "left": left})

    def _tell(self, event: Event) -> None:
        if not self._ended:
            text = self._snapshot.add(event)
            for listener in [*self._listeners]:
                listener(text)

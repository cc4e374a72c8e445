"""The lanes of the page, and what happens in them, as events of the page.

All lanes have made the same number of steps: where one begins anew, all do. So they can be compared
step by step.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tlf.simulator.lane import Lane
from tlf.simulator.messages import costs_as_json, record_as_json
from tlf.simulator.recording import told
from tlf.simulator.records import StepRecord
from tlf.simulator.settings import Settings
from tlf.simulator.simulation import Simulation

Event = Mapping[str, Any]


class Lanes:
    """One lane or two."""

    def __init__(self, simulation: Simulation) -> None:
        self.settings: Sequence[Settings] = ()
        self.step = 0
        """How many steps they have made."""
        self.broken: str | None = None
        """What is no finite number, so that no further step can be made."""
        self._simulation = simulation
        self._lanes: list[Lane] = []
        self._records: list[StepRecord] = []
        """The last one of each."""
        self.whole = True
        """Whether what was done last has come to its end. After an error, nobody knows what a lane
        holds: then all are opened anew."""
        self._counted: list[Settings | None] = []
        """Of each lane, the settings whose costs were told."""

    def change(self, wanted: Sequence[Settings]) -> Iterator[Event]:
        """Use other settings from the next step on. A lane that is added begins with the others.

        Raises:
            Exception: a network cannot be built. Settings and steps are as before.
        """
        kept = self._lanes[: len(wanted)] if self.whole else []
        self.whole = False
        started: dict[int, StepRecord] = {}
        for index, (lane, settings) in enumerate(zip(kept, wanted, strict=False)):
            if lane.settings == settings:
                continue
            record = lane.change(settings)
            # Before its first step, a lane tells of the settings that it has.
            if record is None and not lane.step:
                record = lane.start()
            if record is not None:
                started[index] = record
        added = [self._simulation.lane(settings) for settings in wanted[len(kept) :]]
        removed = len(self._lanes) > len(wanted)
        self._lanes, self.settings = [*kept, *added], wanted
        self._counted = self._counted[: len(wanted)]
        if added or started:
            yield self._begun(started)
        elif removed:
            yield {"kind": "removed", "left": len(wanted)}
        self.whole = True

    def reset(self) -> Iterator[Event]:
        """Go back to the state before the first step."""
        if not self.whole:
            yield from self.change(self.settings)
            return
        self.whole = False
        yield self._begun({})
        self.whole = True

    def make_step(self) -> Iterator[Event]:
        """Make a step in each lane."""
        self.whole = False
        for index, lane in enumerate(self._lanes):
            record = self._records[index] = told(
                self._simulation.scene, lane.make_step(), self._records[index]
            )
            self.broken = self.broken or record.broken
            yield {"kind": "stepped", "lane": index, "record": record_as_json(record)}
        self.step += 1
        self.whole = True

    def uncounted(self) -> int | None:
        """A lane whose costs were not told since its settings have changed."""
        pairs = enumerate(zip(self.settings, self._counted, strict=True))
        return next((index for index, (now, told) in pairs if now != told), None)

    def count_costs(self, lane: int) -> Iterator[Event]:
        """Compute what the steps of a lane cost. The event says of which settings: until it is
        told, a person may have chosen others.
        """
        settings = self._counted[lane] = self.settings[lane]
        costs = costs_as_json(self._simulation.costs(settings), settings)
        yield {"kind": "costs", "lane": lane, "costs": costs}

    def _begun(self, started: Mapping[int, StepRecord]) -> Event:
        """All lanes before their first step; some have started already."""
        records = [started.get(i) or lane.start() for i, lane in enumerate(self._lanes)]
        self._records = [told(self._simulation.scene, record, None) for record in records]
        self.step = 0
        self.broken = next((record.broken for record in records if record.broken), None)
        self._counted = [*self._counted, None, None][: len(records)]
        return {"kind": "begun", "records": [record_as_json(record) for record in self._records]}

"""How everything is now: what a tab gets that opens, or that comes back. It is made of the same
events that other tabs were told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tlf.runtime.strict_json import dumps


@dataclass
class _Shown:
    """A lane, as JSON: a record is written once and sent to every tab."""

    settings: str
    records: list[str]
    costs: str


class Snapshot:
    """All that the page shows."""

    def __init__(self) -> None:
        self._lanes: list[_Shown] = []
        self._stepping = self._full = False

    def add(self, event: Mapping[str, Any]) -> str:
        """Take an event in.

        Returns:
            What the tabs are told, as JSON. Where lanes come, go or begin anew, it is all.
        """
        match event:
            case {"kind": "begun", "records": records}:
                costs = [*(lane.costs for lane in self._lanes), "null", "null"]
                self._lanes = [
                    _Shown(dumps(record["settings"]), [dumps(record)], costs[index])
                    for index, record in enumerate(records)
                ]
                return self.text()
            case {"kind": "removed", "left": left}:
                del self._lanes[left:]
                return self.text()
            case {"kind": "settings", "lane": lane, "settings": settings}:
                self._lanes[lane].settings = dumps(settings)
            case {"kind": "stepped", "lane": lane, "record": record}:
                self._lanes[lane].records.append(dumps(record))
            case {"kind": "costs", "lane": lane, "costs": costs}:
                self._lanes[lane].costs = dumps(costs)
            case {"kind": "stepping", "on": on, "left": left}:
                self._stepping, self._full = on, left == 0
        return dumps(event)

    def differs(self, lane: int, settings: Mapping[str, Any]) -> bool:
        """Whether a lane is shown, with other settings."""
        return lane < len(self._lanes) and self._lanes[lane].settings != dumps(settings)

    def text(self) -> str:
        """The event that says everything, as JSON."""
        lanes = ",".join(
            f'{{"settings":{lane.settings},"records":[{",".join(lane.records)}],'
            f'"costs":{lane.costs}}}'
            for lane in self._lanes
        )
        stepping, left = dumps(self._stepping), "0" if self._full else "null"
        return f'{{"kind":"state","lanes":[{lanes}],"stepping":{stepping},"left":{left}}}'

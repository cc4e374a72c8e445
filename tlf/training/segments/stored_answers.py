"""Answers of probes in the cache: a process asks no probe that another one has asked of the same
network in the same state.

The name of an answer is a hash of all that it depends on, as that of stored features is. Answers
are stored by a process that computes alone on a CPU: there, a probe that is asked again gives the
same answer. A GPU may choose other kernels, and processes would have to agree anew.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from accelerate import Accelerator

from tlf.cache.entry import EntryKey
from tlf.cache.keys import Key, network_key
from tlf.cache.store import Cache
from tlf.catalogue import Offer
from tlf.freezing.find_unused import Unused
from tlf.freezing.partition import Partition, partition_of
from tlf.model import Classifier
from tlf.runtime.strict_json import dumps


@dataclass(frozen=True)
class StoredAnswers:
    """Where the answers of probes are stored."""

    cache: Cache
    components: tuple[tuple[object, Offer], ...]
    """What the network is built from: the backbone and the head, with their offers."""

    def unused(self, network: Classifier, given: Key, ask: Callable[[], Unused]) -> Unused:
        """Which parameters cannot train, stored or asked.

        Parameters:
            network: the network.
            given: the state that it is in, and what else the answer depends on.
            ask: asks the probe.
        """

        def as_json() -> dict[str, list[str]]:
            found = ask()
            return {"always": sorted(found.always), "in_training": sorted(found.in_training)}

        found = self._stored_or_asked("which parameters cannot train", network, given, as_json)
        return Unused(frozenset(found["always"]), frozenset(found["in_training"]))

    def partition(
        self, network: Classifier, given: Key, ask: Callable[[], Partition | None]
    ) -> Partition | None:
        """Where the network is left and entered, stored or asked. The parameters are the same."""

        def as_json() -> dict[str, Any] | None:
            found = ask()
            return None if found is None else found.as_json()

        found = self._stored_or_asked("where a network can be left", network, given, as_json)
        return None if found is None else partition_of(found)

    def _stored_or_asked(
        self, title: str, network: Classifier, given: Key, ask: Callable[[], Any]
    ) -> Any:  # noqa: ANN401 - JSON
        stages = {name: [*parameters] for name, parameters in network.stages.items()}
        depends: Mapping[str, Any] = {
            "probe": title,
            "given": given,
            "stages": [*stages.items()],  # their order counts
            "network": network_key(network, self.components),
        }
        key = EntryKey("probes", title, depends)
        with suppress(OSError):  # what cannot be read is asked again
            entry = self.cache.find(key)
            if entry is not None:
                return json.loads(entry.read(0, entry.bytes).tobytes())
        found = ask()
        with suppress(OSError):  # where there is no room for it, the next run asks again
            self.cache.store(key, dumps(found).encode())
        return found


def stores_answers(accelerator: Accelerator) -> bool:
    """Whether a probe that is asked again gives the same answer."""
    alone: bool = accelerator.num_processes == 1
    return alone and accelerator.device.type == "cpu"

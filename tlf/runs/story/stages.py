"""What a phase trains, stage by stage, and in which epochs."""

from collections.abc import Mapping
from dataclasses import dataclass

from tlf.model import Classifier, parameter_count


@dataclass(frozen=True)
class StageRow:
    """One stage, or the head, in one phase."""

    stage: str
    parameters: int
    """Their number."""
    trainable: int
    """How many of them train."""
    rates: tuple[float, ...]
    """The learning rates in use, ascending; empty if everything is frozen."""

    @property
    def state(self) -> str:
        """``frozen``, ``trainable``, or the percentage that trains."""
        if self.trainable in (0, self.parameters):
            return "trainable" if self.trainable else "frozen"
        percent = round(100 * self.trainable / self.parameters)
        return (
            f"{min(99, max(1, percent))}% trainable"  # 0% and 100% would mean frozen and trainable
        )


@dataclass(frozen=True)
class ExplainedSegment:
    """What happens in those epochs of a phase in which the same parameters train."""

    epochs: tuple[int, ...]
    """The numbers of these epochs in the phase, from 0."""
    stages: tuple[StageRow, ...]
    """From the stem to the head."""
    trainable: tuple[str, ...]
    """Names of the parameters that train."""
    start: str
    """The input of the trainable part: images, or the output of the frozen stages. Checked in
    float32 on the CPU; a run checks it again on its own device."""
    unused: tuple[str, ...] = ()
    """Names of the parameters that would train, if the output depended on them."""


@dataclass(frozen=True)
class ExplainedPhase:
    """What a phase would do."""

    segments: tuple[ExplainedSegment, ...]
    """In order. Where training decides, only the first."""
    later: tuple[StageRow, ...] | None = None
    """None where the recipe alone decides what trains when. Where freeze policies look at the
    results of earlier epochs: what may train in any epoch, as far as invented results tell."""


def stage_rows(classifier: Classifier, rates: Mapping[str, float]) -> tuple[StageRow, ...]:
    """A row for each stage, from the stem up, and the head. ``rates``: trained parameter → rate."""
    groups = {**classifier.stages, "head": classifier.head_names}
    rows = []
    for stage, names in groups.items():
        trainable = [name for name in names if name in rates]
        rows.append(
            StageRow(
                stage=stage,
                parameters=parameter_count(classifier, names),
                trainable=parameter_count(classifier, trainable),
                rates=tuple(sorted({rates[name] for name in trainable})),
            )
        )
    return tuple(rows)

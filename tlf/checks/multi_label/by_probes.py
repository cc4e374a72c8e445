"""What probes find in images with any number of labels, as findings."""

from typing import TYPE_CHECKING

from tlf.checks.findings import ImageRef, Inseparable, LabelSuspect
from tlf.checks.multi_label.suspects import Decision, find_decisions, judged
from tlf.checks.neighbours import NEIGHBOURS, nearest
from tlf.checks.probe import FOLDS
from tlf.data.embedded import EmbeddedSplits
from tlf.data.splits import listed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def by_probes(
    embedded: EmbeddedSplits,
    images: tuple[ImageRef, ...],
    labels: "NDArray[np.bool_]",
    rows: "NDArray[np.float32]",
    groups: "NDArray[np.int64]",
    seed: int,
) -> tuple[tuple[LabelSuspect, ...], tuple[Inseparable, ...], tuple[str, ...]]:
    """What a probe of each class finds, where images have any number. No two classes are taken for
    each other.
    """
    import numpy as np

    task, classes = embedded.task, embedded.splits.classes
    found = find_decisions(rows, labels, groups, seed)
    positions = np.array([one.image for one in found], np.int64)

    def proposed(one: Decision) -> str:
        other = np.flatnonzero(labels[one.image] ^ (np.arange(len(classes)) == one.column))
        return task.names(tuple(other.tolist()), classes)

    suspects = tuple(
        LabelSuspect(
            image=images[one.image],
            proposed=proposed(one),
            own_probability=one.own_probability,
            proposed_probability=one.proposed_probability,
            neighbours=tuple(images[i] for i in near),
        )
        for one, near in zip(found, nearest(rows, NEIGHBOURS, of=positions), strict=True)
    )
    rest = [name for k, name in enumerate(classes) if k not in judged(labels, groups)]
    notes = (
        f"labels of {listed(rest, 3)} were not judged: {FOLDS} different images must have a class, "
        f"and {FOLDS} must not",
    )
    return suspects, (), notes if rest else ()

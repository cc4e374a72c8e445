"""What a card says about the images of a run: how many of which class, and which were left out."""

from collections.abc import Iterator, Sequence

from tlf.publishing.facts import Facts

MOST_CLASSES = 100
"""So many classes are listed at most, those with the fewest train images first."""

IMBALANCE = 3
"""From so many times as many images on, a class is called much larger than another."""

Row = Sequence[object]


def counts(facts: Facts) -> list[tuple[str, int | None, int]]:
    """Class, its train images, its eval images. Of many classes, those with the fewest."""
    evaluated = [(one.name, one.support) for one in facts.report.evaluation.per_class]
    trained = facts.trained or {}
    rows = [(name, trained.get(name), images) for name, images in evaluated]
    if len(rows) <= MOST_CLASSES:
        return rows
    return sorted(rows, key=lambda row: row[2] if row[1] is None else row[1])[:MOST_CLASSES]


def left_out(facts: Facts) -> int:
    """Eval images that could not be read."""
    listed = facts.provenance.get("images", {}).get("eval")
    return max(0, listed - facts.report.evaluation.images) if isinstance(listed, int) else 0


def imbalance(facts: Facts) -> Iterator[str]:
    """A sentence where one class has many more train images than another."""
    known = {name: count for name, count in (facts.trained or {}).items() if count}
    if not known:
        return
    least, most = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    if known[most] >= IMBALANCE * known[least]:
        yield (
            f"The classes differ in size: {most} has {known[most]:,} train images, {least} has "
            f"{known[least]:,}. Figures over all images say little about small classes: see each "
            "class"
        )


def notes(facts: Facts) -> list[str]:
    """What the run has noted about its images and its weights."""
    return [*map(str, facts.provenance.get("notes", []))]


def splits(facts: Facts) -> Iterator[Row]:
    """Each split, and how many images of it the run has found."""
    for name, images in facts.provenance.get("images", {}).items():
        yield name, f"{images:,}"

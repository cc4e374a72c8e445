"""Images that train and eval share, in one line."""

from tlf.checks.findings import Findings
from tlf.data.inspection.readable import IN_BOTH


def leak_sentence(findings: Findings) -> str | None:
    """How many eval images are in the train split, too; None where none is. One whose bytes a train
    image has counts as such, whatever else is in its group.
    """
    shared = sum(image.split == "eval" for group in findings.leaks for image in group.images)
    if not shared:
        return None
    sets = [each for group in findings.leaks for each in group.copies]
    exact = sum(
        image.split == "eval"
        for each in sets
        if any(image.split == "train" for image in each)
        for image in each
    )
    near = shared - exact
    ways = [f"{exact} byte for byte"] if exact else []
    ways += [f"{near} as near-duplicate{'s' if near > 1 else ''}"] if near else []
    verb = "is" if shared == 1 else "are"
    return (
        f"{shared} of the {findings.images['eval']} eval images {verb} {IN_BOTH} "
        f"({', '.join(ways)}): the results look better than they are"
    )

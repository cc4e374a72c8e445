"""Images that train and eval share, in one line."""

from tlf.checks.findings import Findings
from tlf.data.inspection.readable import IN_BOTH


def leak_sentence(findings: Findings) -> str | None:
    """How many eval images are in the train split, too; None where none is."""
    exact, near = (
        sum(
            image.split == "eval"
            for group in findings.leaks
            if group.exact is kind
            for image in group.images
        )
        for kind in (True, False)
    )
    if not exact + near:
        return None
    ways = [f"{exact} byte for byte"] if exact else []
    ways += [f"{near} as near-duplicate{'s' if near > 1 else ''}"] if near else []
    verb = "is" if exact + near == 1 else "are"
    return (
        f"{exact + near} of the {findings.images['eval']} eval images {verb} {IN_BOTH} "
        f"({', '.join(ways)}): the results look better than they are"
    )

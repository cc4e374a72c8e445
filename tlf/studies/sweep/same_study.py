"""Whether a process works on the same study as the others: the same recipe and ranges, the same
images and weights.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from platform import node
from typing import TYPE_CHECKING, Any

from tlf import __version__
from tlf.errors import RunError
from tlf.recipe.files import dump
from tlf.recipe.paths import path_keys
from tlf.recipe.plan import Plan
from tlf.runs.changes import FREE
from tlf.runs.identity import flat
from tlf.studies.sweep.journal import Journal
from tlf.studies.sweep.ranges import Varied

if TYPE_CHECKING:
    from tlf.training.job import Job

FORMAT = 1
_OTHER = "write --output and another folder"
_BACKBONE = ("backbone", "start_from", "transforms.size", "plugins")
"""Prefixes of the keys that a backbone is built from. Where one varies, so do the weights: those of
a vision transformer's positions depend on the size."""


def check_same(
    journal: Journal, plan: Plan, varied: Sequence[Varied], sampler: str, *, pruning: bool
) -> Iterator[str]:
    """Check that the journal is that of this study, or make it so; yield what a person should know.

    Raises:
        RunError: it is another one; names the first difference.
    """
    own = {
        "format": FORMAT,
        "tlf": __version__,
        "recipe": tomllib.loads(dump(plan.recipe, plan.plugins.catalogue)),
        "ranges": {one.key: str(one) for one in varied},
        "sampler": sampler,
        "pruning": pruning,
    }
    with journal.alone():
        known = journal.facts().get("study")
        if known is None:
            journal.note("study", own)
            return
    if known["format"] != FORMAT:
        raise RunError(
            f"{journal.folder} must hold a study of format {FORMAT}, got {known['format']}, of "
            f"another tlf; {_OTHER}"
        )
    free = tuple(f"recipe.{key}" for key in (*FREE, *path_keys(plan.recipe)))
    one, other = (_compared(description, free) for description in (known, own))
    for key in dict.fromkeys([*one, *other]):
        if one.get(key) != other.get(key):
            was, now = (side.get(key, "not set") for side in (one, other))
            raise RunError(
                f"{journal.folder} holds another study: {key} is {was} there and {now} here; "
                f"write the same command as there, or {_OTHER}"
            )
    if known["tlf"] != __version__:
        yield (
            f"the study was begun with tlf {known['tlf']}, and this is tlf {__version__}: the same "
            "settings may give other figures"
        )


def _compared(description: Mapping[str, Any], free: tuple[str, ...]) -> dict[str, Any]:
    parts = {name: description[name] for name in ("recipe", "ranges", "sampler", "pruning")}
    keys = {key: value for key, value in flat(parts).items() if not key.startswith(free)}
    return {key.removeprefix("recipe.").removeprefix("ranges."): keys[key] for key in keys}


def check_images(journal: Journal, job: "Job") -> None:
    """Check that this process has the images and the weights of the study, to the byte.

    Raises:
        RunError: it has others.
    """
    own = {
        "train images": job.manifests["train"],
        "eval images": job.manifests["eval"],
        "weights of the backbone": job.backbone_sha256,
        "host": node(),
        "count": len(job.splits.eval),
    }
    facts = journal.facts()
    if "images" not in facts:
        with journal.alone():
            facts = journal.facts()
            if "images" not in facts:
                journal.note("images", own)
                return
    known = facts["images"]
    varied = any(key.startswith(_BACKBONE) for key in facts["study"]["ranges"])
    for what in ("train images", "eval images", "weights of the backbone"):
        if known[what] != own[what] and not (varied and "weights" in what):
            raise RunError(
                f"all trials must have the same {what}, to the byte, and those of this computer, "
                f"{node()}, differ from those of the study, which were first seen on "
                f"{known['host']}; copy them from there, or {_OTHER}"
            )

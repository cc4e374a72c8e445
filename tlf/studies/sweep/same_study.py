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
from tlf.studies.study_runs import differing
from tlf.studies.sweep.journal import Journal
from tlf.studies.sweep.ranges import Value, Varied, settings

if TYPE_CHECKING:
    from tlf.training.job import Job

FORMAT = 1
_OTHER = "write --output and another folder"
_BACKBONE = ("backbone", "start_from", "transforms.size", "plugins", "extensions")
"""Keys that a backbone is built from. Where one varies, so do the weights: those of a vision
transformer's positions depend on the size."""
_HEAD = (*_BACKBONE, "head")


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
    for key, was, now in _differences(known, own, [*_movable(plan, varied)]):
        raise RunError(
            f"{journal.folder} holds another study: {key} is {was} there and {now} here; "
            f"write the same command as there, or {_OTHER}"
        )
    if known["tlf"] != __version__:
        yield (
            f"the study was begun with tlf {known['tlf']}, and this is tlf {__version__}: the same "
            "settings may give other figures"
        )


def _differences(
    known: Mapping[str, Any], own: Mapping[str, Any], movable: Sequence[str]
) -> Iterator[tuple[str, object, object]]:
    """Key, value there and value here of what two studies must have alike."""
    free, paths = ([f"recipe.{key}" for key in keys] for keys in (FREE, movable))
    one, other = map(_compared, (known, own))
    for key in differing(one, other, free, paths):
        name = key.removeprefix("recipe.").removeprefix("ranges.")
        yield name, one.get(key, "not set"), other.get(key, "not set")


def _movable(plan: Plan, varied: Sequence[Varied]) -> Iterator[str]:
    """Keys whose paths may differ: what they name is compared to the byte. Where trials vary what
    the backbone is built from, all of its weights differ, so their path has to be the same.
    """
    compared = not any(_is_of(one.key, _BACKBONE) for one in varied)
    for key in path_keys(plan.recipe):
        if compared or not _is_of(key, _BACKBONE):
            yield key


def _compared(description: Mapping[str, Any]) -> dict[str, Any]:
    """A study without the recipe's own values of keys that vary: no trial uses them."""
    parts = {name: description[name] for name in ("recipe", "ranges", "sampler", "pruning")}
    varied = {f"recipe.{key}" for key in description["ranges"]}
    return {key: value for key, value in flat(parts).items() if key not in varied}


def check_images(journal: Journal, job: "Job", values: "Mapping[str, Value]") -> None:
    """Check that this process has the images of the study, to the byte, and the weights of its
    trials that build the model alike.

    Parameters:
        journal: of the study.
        job: the run of a trial.
        values: what the trial sets.

    Raises:
        RunError: it has others.
    """
    own = {
        "train images": job.manifests["train"],
        "eval images": job.manifests["eval"],
        _named("weights of the backbone", values, _BACKBONE): job.backbone_sha256,
    }
    if job.recipe.start_from is not None:  # a drawn head may differ between kinds of processors
        own[_named("weights of the head", values, _HEAD)] = job.head_sha256
    with journal.alone():
        if "images" not in journal.facts():
            journal.note("images", {"host": node(), "count": len(job.splits.eval)})
        facts = journal.facts()
        known = {**facts["images"], **facts}
        for what in (one for one in own if known.get(one, own[one]) != own[one]):
            raise RunError(
                f"all trials must have the same {what}, to the byte, and those of this computer, "
                f"{node()}, differ from those of the study, which was begun on {known['host']}; "
                f"copy them from there, or {_OTHER}"
            )
        for what in (one for one in own if one not in known):
            journal.note(what, own[what])


def _named(what: str, values: "Mapping[str, Value]", keys: Sequence[str]) -> str:
    """The weights of trials that set the same for these keys."""
    own = {key: value for key, value in values.items() if _is_of(key, keys)}
    return f"{what} with {', '.join(settings(own))}" if own else what


def _is_of(key: str, keys: Sequence[str]) -> bool:
    """Whether a key is in one of others, or one of them in it.

    >>> _is_of("transforms", ["transforms.size"]), _is_of("backbone.model", ["backbone"])
    (True, True)
    """
    return any(f"{key}.".startswith(f"{k}.") or f"{k}.".startswith(f"{key}.") for k in keys)

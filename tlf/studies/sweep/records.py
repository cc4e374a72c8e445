"""What the journal holds, as tlf shows it: trials, the best recipe, how much each key matters."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tlf.recipe.files import dump
from tlf.recipe.plan import Plan, plan_of
from tlf.runtime.files import write_whole
from tlf.runtime.text import printable
from tlf.studies.accuracy import figure_text
from tlf.studies.sweep.journal import FOUND, Journal
from tlf.studies.sweep.ranges import settings
from tlf.studies.sweep.summary import CONFIRM, confirm, settings_text
from tlf.studies.sweep.swept import BASE, BEST, RUNNING, BestEpoch, Swept, Trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

ENOUGH = 10
"""How much a key matters is told from so many complete trials on."""


def as_trials(journal: Journal) -> tuple[Trial, ...]:
    """The trials of a study by number."""
    return tuple(map(_as_trial, journal.trials()))


def _as_trial(trial: "FrozenTrial") -> Trial:
    found = trial.user_attrs.get(FOUND)
    if found is None or not trial.state.is_finished():
        return Trial(trial.number, RUNNING, trial.params)
    return Trial(
        trial.number,
        found["state"],
        trial.params,
        None if found["best"] is None else BestEpoch(**found["best"]),
        len(found["figures"]),
        found["seconds"],
        found["why"],
    )


def importance(journal: Journal) -> Mapping[str, float]:
    """The share of each key in how the figure of complete trials varies, by fANOVA (Hutter et al.,
    2014); empty where too few are complete, or all have the same figure.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    trials = [one for one in journal.trials() if one.state == TrialState.COMPLETE]
    varied = [*journal.facts()["study"]["ranges"]]
    if len(trials) < ENOUGH or len(varied) < 2 or len({one.value for one in trials}) < 2:
        return {}
    found = get_param_importances(journal.study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {name: float(share) for name, share in found.items()}


def write_recipes(plan: Plan, swept: Swept) -> None:
    """Write the recipe with the best settings; and that which was swept, where no file has it.

    Raises:
        UnwritableError: one cannot be written.
    """
    if swept.base == swept.folder / BASE:
        write_whole(swept.base, _commented(plan, _about_base(swept)))
    made = plan_of(plan, settings(swept.ranked[0].values))
    write_whole(swept.best_file, _commented(made, _about_best(swept)))


def _commented(plan: Plan, comment: Sequence[str]) -> str:
    """A recipe as TOML, below lines that say what it is."""
    text = dump(plan.recipe, plan.plugins.catalogue)
    return "".join(f"# {line}\n" for line in comment) + f"\n{text}"


def _about_base(swept: Swept) -> Sequence[str]:
    given = f" with {' '.join(swept.overrides)}" if swept.overrides else ""
    return [f"The recipe that was swept: {printable(swept.source + given)}. {BEST} is the best."]


def _about_best(swept: Swept) -> Sequence[str]:
    trial = swept.ranked[0]
    shown = figure_text(trial.best.figure, swept.metric) if trial.best else "–"
    return [
        f"The best of {len(swept.trials)} trials of {printable(swept.source)}: trial "
        f"{trial.number}, {swept.metric.title} {shown} on the {swept.images:,} eval images that "
        "have chosen it.",
        f"The trial sets {settings_text(trial)}.",
        f"{CONFIRM.capitalize()} {printable(confirm(swept))}",
    ]

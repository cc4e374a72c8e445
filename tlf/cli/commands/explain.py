"""``tlf explain RECIPE``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import say

if TYPE_CHECKING:
    from rich.console import Console

    from tlf.recipe.schema import Phase
    from tlf.runs.explain import Explanation, StageRow


@click.command()
@arguments.recipe
@arguments.overrides
@click.option("--names", is_flag=True, help="List the parameters that train in each phase.")
@click.option("--model", is_flag=True, help="Print the model's architecture.")
def command(recipe: Path, overrides: tuple[str, ...], *, names: bool, model: bool) -> None:
    """Show what RECIPE would do, without training."""
    from rich.console import Console

    from tlf.recipe.plan import read_plan

    plan = read_plan(recipe, overrides)
    show_explanation(tlf.explain(plan), Console(), names=names, model=model)


def show_explanation(
    explanation: "Explanation", console: "Console", *, names: bool, model: bool
) -> None:
    """Print the resolved recipe and a table for every phase; names and model on request.

    The recipe comes first: it is long, and the tables then stay in view.
    """
    from tlf.cli.tables import stage_table
    from tlf.recipe.augment import crop_line
    from tlf.recipe.files import dump

    plan = explanation.plan
    say(console, dump(plan.recipe, plan.plugins.catalogue))
    preprocessing, splits = explanation.preprocessing, explanation.splits
    say(
        console,
        f"images    {len(splits.train)} to train on, {len(splits.eval)} to evaluate on, "
        f"{len(splits.classes)} classes\n"
        "          not opened here; a run opens all of them first, and lists unreadable ones\n"
        f"input     {preprocessing.channels} × {preprocessing.size} × {preprocessing.size}, "
        f"shorter side {preprocessing.resize}, {preprocessing.interpolation}, "
        f"mean {preprocessing.mean}, std {preprocessing.std}",
    )
    if line := crop_line(plan.recipe):
        say(console, f"crops     {line}")
    for note in explanation.notes:
        say(console, f"note: {note}", "yellow")
    for phase in plan.recipe.phases:
        rows = explanation.phases[phase.name]
        say(console, f"\n{_phase_line(phase, rows, explanation.starts[phase.name])}")
        console.print(stage_table(rows))
        for name in explanation.trainable[phase.name] if names else ():
            say(console, f"  {name}")
    if model:
        say(console, str(explanation.classifier))


def _phase_line(phase: "Phase", rows: "Sequence[StageRow]", start: str) -> str:
    trainable = sum(row.trainable for row in rows)
    total = sum(row.parameters for row in rows)
    limit = "at most " if phase.early_stopping else ""
    epochs = f"{limit}{phase.epochs} epoch{'s' if phase.epochs > 1 else ''}"
    return (
        f"phase {phase.name}, {epochs}: {trainable:,} of {total:,} parameters train, from {start}"
    )

"""``tlf explain RECIPE``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

import tlf
from tlf.cli import arguments

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
    console.print(
        dump(plan.recipe, plan.plugins.catalogue), markup=False, highlight=False, soft_wrap=True
    )
    preprocessing, splits = explanation.preprocessing, explanation.splits
    console.print(
        f"images    {len(splits.train)} to train on, {len(splits.eval)} to evaluate on, "
        f"{len(splits.classes)} classes\n"
        "          not opened here; a run opens all of them first, and lists unreadable ones\n"
        f"input     {preprocessing.channels} × {preprocessing.size} × {preprocessing.size}, "
        f"shorter side {preprocessing.resize}, {preprocessing.interpolation}, "
        f"mean {preprocessing.mean}, std {preprocessing.std}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    if line := crop_line(plan.recipe):
        console.print(f"crops     {line}", markup=False, highlight=False, soft_wrap=True)
    for note in explanation.notes:
        console.print(f"note: {note}", style="yellow", markup=False, soft_wrap=True)
    for phase in plan.recipe.phases:
        rows = explanation.phases[phase.name]
        console.print(
            f"\n{_phase_line(phase, rows, explanation.starts[phase.name])}",
            markup=False,
            soft_wrap=True,
        )
        console.print(stage_table(rows))
        for name in explanation.trainable[phase.name] if names else ():
            console.print(f"  {name}", markup=False, highlight=False, soft_wrap=True)
    if model:
        console.print(str(explanation.classifier), markup=False, highlight=False, soft_wrap=True)


def _phase_line(phase: "Phase", rows: "Sequence[StageRow]", start: str) -> str:
    trainable = sum(row.trainable for row in rows)
    total = sum(row.parameters for row in rows)
    limit = "at most " if phase.early_stopping else ""
    epochs = f"{limit}{phase.epochs} epoch{'s' if phase.epochs > 1 else ''}"
    return (
        f"phase {phase.name}, {epochs}: {trainable:,} of {total:,} parameters train, from {start}"
    )

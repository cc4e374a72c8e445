"""``tlf explain RECIPE``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import say

if TYPE_CHECKING:
    from rich.console import Console

    from tlf.runs.explain import Explanation


@click.command()
@arguments.recipe
@arguments.overrides
@click.option("--names", is_flag=True, help="List the parameters that train in each phase.")
@click.option("--model", is_flag=True, help="Print the model's architecture.")
@click.option("--recipe", "whole", is_flag=True, help="Print the recipe with every default.")
def command(
    recipe: Path, overrides: tuple[str, ...], *, names: bool, model: bool, whole: bool
) -> None:
    """Show what RECIPE would do, phase by phase, without training."""
    from rich.console import Console

    from tlf.recipe.plan import read_plan

    plan = read_plan(recipe, overrides)  # first: a mistake is reported before torch is imported
    show_explanation(tlf.explain(plan), Console(), names=names, model=model, recipe=whole)


def show_explanation(
    explanation: "Explanation", console: "Console", *, names: bool, model: bool, recipe: bool
) -> None:
    """Print what every phase would do; then, on request, the model and the resolved recipe."""
    from tlf.recipe.files import dump

    for line in explanation.lines(names=names):
        style = "yellow" if line.startswith("note: ") else "bold" * line.startswith("phase ")
        say(console, line, style)
    if model:
        say(console, f"\n{explanation.classifier}")
    if recipe:
        say(console, f"\n{dump(explanation.plan.recipe, explanation.plan.plugins.catalogue)}")

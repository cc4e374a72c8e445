"""``tlf run RECIPE``, and ``tlf RECIPE``."""

from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.process import settled
from tlf.cli.report_at_end import report_at_end
from tlf.commands import COMMANDS
from tlf.errors import TlfError, nearest


@click.command()
@arguments.recipe
@arguments.overrides
def command(recipe: Path, overrides: tuple[str, ...]) -> None:
    """Train what RECIPE describes; tlf RECIPE does the same.

    KEY=VALUE arguments override the recipe: data.root=my/images phases.0.epochs=5
    """
    _check_is_no_command(recipe)
    # Before what trains is imported, which takes seconds: a mistake is reported at once.
    from tlf.recipe.plan import read_plan, with_splits

    plan = read_plan(recipe, overrides)
    report_at_end(tlf.show(settled(tlf.run(with_splits(plan)))))


def _check_is_no_command(recipe: Path) -> None:
    """Recognize a misspelt command: what follows ``tlf`` may also be a recipe.

    Raises:
        TlfError: the name has no suffix, and there is no such file.
    """
    if recipe.suffix or recipe.exists():
        return
    file = recipe.with_name(f"{recipe.name}.toml")
    known = [*COMMANDS, *([str(file)] if file.exists() else [])]
    raise TlfError(
        f"{recipe} is neither a command nor a recipe (a .toml file); {nearest(str(recipe), known)}"
    )

"""``tlf lr RECIPE``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import echo
from tlf.cli.process import goes_on
from tlf.errors import in_shell

if TYPE_CHECKING:
    from tlf.studies.learning_rate.found import LearningRates

EXAMPLES = """\b
Examples:
  tlf lr recipes/mine.toml
  tlf lr recipes/mine.toml --phase head --rates 1e-4 1
"""


@click.command(epilog=EXAMPLES)
@arguments.recipe
@arguments.overrides
@click.option("--phase", metavar="NAME", help="The only phase to look at.  [default: all of them]")
@click.option(
    "--rates", nargs=2, type=float, metavar="LOW HIGH",
    help="The lowest and the highest rate.  [default: of a head, three powers of ten around the "
    "recipe's; else 1e-7 10]",
)  # fmt: skip
@click.option(
    "--seeds", type=int, metavar="N",
    help="How many seeds each rate of a head is trained with.  [default: 5; of more than 2,000 "
    "train images 1]",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="The folder to write; a number is added if it exists.  [default: learning-rates/NAME]",
)  # fmt: skip
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    phase: str | None,
    rates: tuple[float, float] | None,
    seeds: int | None,
    output: Path | None,
) -> None:
    """Find out which learning rate suits each phase.

    A phase that trains the head alone has its features computed once. Heads are then trained at 13
    rates, with several seeds, and judged on train images that were held out of their training. A
    phase that trains more is tried out: its rate rises from step to step, and the loss shows where
    it learns. The eval split stays unseen.
    """
    # Before what trains is imported, which takes seconds: a mistake is reported at once.
    from tlf.recipe.plan import plan_of, with_splits
    from tlf.runtime.files import check_creatable, default_folder, from_here
    from tlf.studies.learning_rate.grid import chosen_phases, limits

    limits(rates)
    plan = plan_of(recipe, overrides)
    chosen_phases(plan, phase)
    plan = with_splits(plan)
    output = output or default_folder("learning-rates", recipe)
    check_creatable(output)
    with goes_on("what is computed is stored"):
        found = tlf.show(tlf.lr(plan, phase=phase, rates=rates, seeds=seeds))
    if found is not None:
        shown = from_here(tlf.write_learning_rates(found, output))
        echo(f"\npage      {shown / 'lr.html'}, with the figures in lr.json beside it")
        if suggested := _suggested(found):
            keys = {one.partition("=")[0] for one in suggested}
            kept = (one for one in overrides if one.partition("=")[0] not in keys)
            command = ["tlf", str(recipe), *kept, *suggested]
            echo(f"next      {' '.join(map(in_shell, command))}")


def _suggested(found: "LearningRates") -> Sequence[str]:
    """The overrides of a recipe that train at the rates that are suggested."""
    from tlf.studies.learning_rate.grid import toml_key

    return [
        f"phases.{toml_key(phase.phase)}.{key}={value}"
        for phase in found.phases
        for key, _, value in (line.partition(" = ") for line in phase.lines)
    ]

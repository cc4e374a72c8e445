"""``tlf compare RECIPE RECIPE…``."""

from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import echo
from tlf.cli.process import goes_on
from tlf.errors import in_shell

EXAMPLES = """\b
Examples:
  tlf compare a.toml b.toml --seeds 10
  tlf compare a.toml --preset pretrained-or-random
  tlf compare a.toml b.toml --folds 5
"""


@click.command(epilog=EXAMPLES)
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE... [KEY=VALUE]...")
@click.option(
    "--preset", metavar="NAME",
    help="Compare variants of one recipe: pretrained-or-random, strategies, rates or freezing.",
)  # fmt: skip
@click.option(
    "--seeds", type=int, metavar="N",
    help="How many seeds each recipe is trained with; five or more allow a verdict.  [default: 10; "
    "with --folds, 1]",
)  # fmt: skip
@click.option(
    "--folds", type=int, metavar="K",
    help="Deal the images into K folds, and train each recipe for each of them; five or more allow "
    "a verdict.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path), default="comparison", show_default=True,
    metavar="FOLDER", help="The folder of the runs; those that are there are not made again.",
)  # fmt: skip
def command(
    recipes: tuple[str, ...],
    preset: str | None,
    seeds: int | None,
    folds: int | None,
    output: Path,
) -> None:
    """Find out which recipe is better, and by how much.

    Each recipe is trained with several seeds and evaluated on the same images. So the verdict says
    whether the difference is more than chance. A comparison that was stopped goes on with the same
    command.
    """
    overrides, files = arguments.split_overrides(recipes)
    with goes_on("what is done is kept"):
        compared = tlf.show(
            tlf.compare(files, overrides, preset=preset, seeds=seeds, folds=folds, output=output)
        )
        if compared is None:
            return
        written = tlf.write_comparison(compared)
    from tlf.runtime.files import from_here
    from tlf.studies.compare.candidates import run_folder

    page = from_here(written)
    echo(f"\npage      {page}, with the figures in compare.json beside it")
    best = compared.recipes[0].name
    fold = 1 if compared.folds else None
    run = run_folder(page.parent, best, compared.seeds[0], fold)
    echo(f"recipe    {run / 'recipe.toml'}: that of {best}, the first in the table")
    if compared.folds:
        echo("          remove folds and fold from it before you train it anew")
    echo(f"next      tlf report {in_shell(run)}")

"""``tlf sweep RECIPE KEY=RANGE…``."""

from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import echo
from tlf.cli.process import goes_on

EXAMPLES = """\b
Examples:
  tlf sweep mine.toml phases.head.lr=1e-4..1e-1 optimizer=sgd,adamw
  tlf sweep mine.toml phases.0.epochs=5..30 head.dropout=0..0.5 seed=3 --trials 50
  tlf sweep mine.toml phases.head.lr=1e-3,1e-2,1e-1 batch_size=16,32 --sampler grid
"""


@click.command(epilog=EXAMPLES)
@arguments.recipe
@click.argument("ranges", nargs=-1, required=True, metavar="KEY=RANGE... [KEY=VALUE]...")
@click.option(
    "--trials", default=20, show_default=True, metavar="N",
    help="How many there are to be, those of all processes and of earlier commands counted.",
)  # fmt: skip
@click.option(
    "--sampler", default="tpe", show_default=True, metavar="NAME",
    help="What suggests settings: tpe, random or grid.",
)  # fmt: skip
@click.option(
    "--pruning/--no-pruning", default=True, show_default=True,
    help="End a trial early that is worse than the median of the others.",
)  # fmt: skip
@click.option(
    "--timeout", type=float, metavar="SECONDS", help="Begin no trial after so many seconds."
)
@click.option(
    "--output", type=click.Path(path_type=Path), default="sweep", show_default=True,
    metavar="FOLDER", help="The folder of the study. Several processes may work in it.",
)  # fmt: skip
def command(
    recipe: Path, ranges: tuple[str, ...], trials: int, sampler: str, pruning: bool,
    timeout: float | None, output: Path,
) -> None:  # fmt: skip
    """Find the best settings of a recipe.

    A range is LOW..HIGH, of numbers, or A,B,C. Ends that differ by a factor of 100 or more make it
    logarithmic; :log or :linear behind it decides otherwise. Each trial is a run with settings that
    Optuna suggests. Start the same command several times, also on computers that share a disk, and
    they work together. A study that was stopped goes on with the same command.
    """
    with goes_on("what is done is kept"):
        swept = tlf.show(
            tlf.sweep(
                recipe, ranges, trials=trials, sampler=sampler, pruning=pruning,
                timeout=timeout, output=output,
            )
        )  # fmt: skip
        if swept is None:
            return
        written = tlf.write_sweep(swept)
    from tlf.runtime.files import from_here

    echo(f"page      {from_here(written)}, with the figures in sweep.json beside it")

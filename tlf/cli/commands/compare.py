"""``tlf compare RECIPE RECIPE…``."""

import os
from pathlib import Path

import click

import tlf
from tlf.cli.output import echo
from tlf.cli.process import stopped_cleanly
from tlf.errors import StoppedError


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE... [KEY=VALUE]...")
@click.option(
    "--preset", metavar="NAME",
    help="Compare variants of one recipe: pretrained-or-random, strategies, rates or freezing.",
)  # fmt: skip
@click.option(
    "--seeds", default=10, show_default=True, metavar="N",
    help="How many seeds each recipe is trained with; five or more allow a verdict.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path), default="comparison", show_default=True,
    metavar="FOLDER", help="The folder of the runs; those that are there are not made again.",
)  # fmt: skip
def command(recipes: tuple[str, ...], preset: str | None, seeds: int, output: Path) -> None:
    r"""Find out which recipe is better, by how much, and whether that is more than chance.

    Each recipe is trained with several seeds and evaluated on the same images. A comparison that
    was stopped goes on with the same command.

    \b
    tlf compare a.toml b.toml --seeds 10
    tlf compare a.toml --preset pretrained-or-random
    """
    files = [text for text in recipes if "=" not in text or os.path.exists(text)]
    overrides = [text for text in recipes if text not in files]
    again = "what is done is kept: write the same command to go on"
    try:
        with stopped_cleanly():
            compared = tlf.show(
                tlf.compare(files, overrides, preset=preset, seeds=seeds, output=output)
            )
    except KeyboardInterrupt:
        raise StoppedError(output, "Ctrl-C", again) from None
    except StoppedError as error:
        raise StoppedError(output, error.by, again) from error
    if compared is not None:
        page = tlf.write_comparison(compared)
        echo(f"\npage      {page}, with the figures in compare.json beside it")

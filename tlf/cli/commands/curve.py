"""``tlf curve RECIPE|FOLDER --sizes N…``."""

import re
from collections.abc import Sequence
from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import echo
from tlf.cli.process import goes_on
from tlf.runtime.text import shortened

EXAMPLES = """\b
Examples:
  tlf curve recipes/mine.toml
  tlf curve my/images backbone.kind=timm backbone.model=resnet18 --sizes 10 20 40 80
"""


@click.command(epilog=EXAMPLES)
@click.argument("data", type=click.Path(path_type=Path), metavar="RECIPE|FOLDER")
@click.argument("more", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--sizes", multiple=True, metavar="N...",
    help="Train images of each class, on average.  [default: six sizes, up to all]",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="The folder to write; a number is added if it exists.  [default: curves/NAME]",
)  # fmt: skip
def command(data: Path, more: tuple[str, ...], sizes: tuple[str, ...], output: Path | None) -> None:
    """Find out whether more images would help.

    The images are those of RECIPE, or of a FOLDER that holds a folder of images for each class. The
    recipe's backbone turns the train images into features once. Linear probes are trained on more
    and more of them, and judged on images that they have not seen. A fan of power laws says what
    twice and four times as many images may give. Nothing else is trained, and the eval split stays
    unseen.
    """
    # Before what embeds images is imported, which takes seconds: a mistake is reported at once.
    from tlf.checks.plan import plan_to_check
    from tlf.recipe.plan import with_splits
    from tlf.runtime.files import check_creatable, default_folder, from_here
    from tlf.studies.learning_curve.draws import check_sizes

    overrides, others = arguments.split_overrides(more)
    if others and not sizes:
        raise click.UsageError(f"got {others[0]!r}; write --sizes before numbers of images")
    asked = _numbers([*sizes, *others])
    check_sizes(asked)
    plan = with_splits(plan_to_check(data, overrides, "curve"))
    output = output or default_folder("curves", data)
    check_creatable(output)
    with goes_on("features that are computed are stored"):
        found = tlf.show(tlf.curve(plan, sizes=asked))
    if found is not None:
        shown = from_here(tlf.write_curve(found, output))
        echo(f"\npage      {shown / 'curve.html'}, with the figures in curve.json beside it")


def _numbers(texts: Sequence[str]) -> list[int]:
    wrong = [text for text in texts if not re.fullmatch("[0-9]{1,9}", text)]
    if wrong:
        raise click.UsageError(
            f"--sizes must be whole numbers, got {shortened(wrong[0], 20)!r}; write --sizes 10 20 "
            "40 80"
        )
    return [int(text) for text in texts]

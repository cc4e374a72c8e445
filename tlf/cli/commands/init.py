"""``tlf init FOLDER`` or ``tlf init FILE.csv``."""

from pathlib import Path

import click

import tlf
from tlf.cli.output import complain, echo
from tlf.errors import in_shell


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE",
    help="The recipe to write; a file that exists is not overwritten.  [default: FOLDER's name]",
)  # fmt: skip
@click.option(
    "--strategy", metavar="NAME",
    help="head, head-then-thaw or all.  [default: by the number of images]",
)  # fmt: skip
@click.option(
    "--backbone", metavar="BACKBONE",
    help="LIBRARY/MODEL or LIBRARY/MODEL@WEIGHTS, such as timm/resnet18@a1_in1k; PLUGIN:KIND; a "
    "table as [backbone] has it; or a recipe.  [default: the first pretrained weights at hand]",
)  # fmt: skip
@click.option(
    "--label", metavar="COLUMN",
    help="The column of classes in a CSV file.  [default: found by its name, or the only one left]",
)  # fmt: skip
def command(
    folder: Path,
    output: Path | None,
    strategy: str | None,
    backbone: str | None,
    label: str | None,
) -> None:
    """Write a first recipe for a folder or a CSV file of images.

    FOLDER holds a folder of images for each class, alone or in train and val; a folder test beside
    these is kept for the end. A CSV file has a column of paths, and a column of classes, of several
    classes in a cell, or a column of 0 and 1 for each class; and it may have a column of splits,
    such as split or is_valid. The images are counted and measured; what was seen, and the reasons
    for what stands in the recipe, are comments in it. Nothing is overwritten.
    """
    written = tlf.init(
        folder, output, strategy=strategy, backbone=backbone, label=label, say=complain
    )
    choices, path = written.choices, in_shell(written.path)
    splits = choices.seen.splits
    test = "" if splits.test is None else f"{len(splits.test):,} kept for the end, "
    echo(
        f"images    {choices.seen.images:,} to train, {choices.seen.eval.images:,} to evaluate, "
        f"{test}{len(splits.classes):,} classes\n"
        f"strategy  {choices.strategy.name}: {choices.strategy.what}\n"
        f"weights   {choices.weights.why}\n"
        f"recipe    {written.path}: read its comments, and change it\n"
        f"next      tlf {path}\n"
        f"          tlf explain {path}    shows what trains\n"
        f"          tlf check {path}      looks for faults in the images\n"
        f"          tlf lr {path}         tells which learning rate suits it\n"
        f"          tlf probe {path}      tells backbones apart: --backbones NAME..."
    )
    for text in choices.warnings:
        complain(f"warning: {text}")
    if choices.weights.warning:
        complain(f"warning: {choices.weights.warning}")

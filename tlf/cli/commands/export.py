"""``tlf export RUN --to FORMAT``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import echo, warnings_as_notes
from tlf.cli.process import stopped_cleanly
from tlf.tasks import describe

if TYPE_CHECKING:
    from tlf.exports.preprocessing.difference import Difference


@click.command()
@arguments.run_folder
@click.option(
    "--to",
    required=True,
    metavar="FORMAT",
    help="head, model, timm, torchvision, torch-export or onnx; or PLUGIN:NAME, of a plugin",
)
@click.option(
    "--output", type=click.Path(path_type=Path), callback=arguments.named_file,
    help="The file to write.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@click.option("--int8", is_flag=True, help="With onnx: 8-bit weights and activations.")
@click.option(
    "--margin", type=float, default=0.01, show_default=True,
    help="With --int8: how much accuracy 8 bits may cost, as a fraction.",
)  # fmt: skip
@click.option(
    "--with-preprocessing", is_flag=True,
    help="With onnx and torch-export: take images of any size, give probabilities.",
)  # fmt: skip
def command(
    run: Path,
    to: str,
    output: Path | None,
    *,
    overwrite: bool,
    int8: bool,
    margin: float,
    with_preprocessing: bool,
) -> None:
    """Write a run's best model for another library.

    Nothing is written unless the file gives the probabilities of the model, in float32.
    """
    with warnings_as_notes(), stopped_cleanly():
        exported = tlf.export(
            run, to, output, overwrite=overwrite, int8=int8, margin=margin,
            with_preprocessing=with_preprocessing,
        )  # fmt: skip
    if not exported.loaded:
        echo(
            f"{exported.path}\nnot compared: {to} has no way to load its file; the model that was "
            f"written: {describe(exported.metrics)} on {exported.images} eval images"
        )
        return
    echo(
        f"{exported.path}\ncompared with the run{_in(exported.run_precision)} on {exported.images} "
        f"eval images: probabilities differ by at most {exported.difference:.1g}; "
        f"{describe(exported.metrics)}, in the run {describe(exported.run_metrics)}"
    )
    if exported.preprocessing is not None:
        echo(_difference(exported.preprocessing, exported.images))


def _difference(found: "Difference", images: int) -> str:
    """What a file changes by preparing images itself."""
    levels = f"{found.levels} of {found.white} grey levels"
    return (
        f"compared with Pillow's pixels: {found.values:.2%} of the values differ, by at most "
        f"{levels}; probabilities by at most {found.largest:.1g}, on average {found.mean:.1g}; "
        f"predictions for {found.predictions} of {images} images"
    )


def _in(precision: str) -> str:
    """What a run computed in, where an export does not."""
    return "" if precision == "no" else f", which computed in {precision},"

"""``tlf export RUN --to FORMAT``."""

from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import echo, warnings_as_notes
from tlf.cli.process import stopped_cleanly
from tlf.tasks import describe


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
def command(
    run: Path, to: str, output: Path | None, *, overwrite: bool, int8: bool, margin: float
) -> None:
    """Write a run's best model for another library.

    Nothing is written unless the file gives the probabilities of the model, in float32.
    """
    with warnings_as_notes(), stopped_cleanly():
        exported = tlf.export(run, to, output, overwrite=overwrite, int8=int8, margin=margin)
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


def _in(precision: str) -> str:
    """What a run computed in, where an export does not."""
    return "" if precision == "no" else f", which computed in {precision},"

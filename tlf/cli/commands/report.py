"""``tlf report RUN``."""

from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import echo, warnings_as_notes
from tlf.cli.process import settled, stopped_cleanly


@click.command()
@arguments.run_folder
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", callback=arguments.named_file,
    help="The file to write instead of RUN/report.html; it is replaced.",
)  # fmt: skip
@click.option("--no-images", is_flag=True, help="Leave out thumbnails; the names of images stay.")
@click.option(
    "--no-neighbours", is_flag=True,
    help="Leave out what needs the model, which takes longer: the nearest train images, and the "
    "check of all images.",
)  # fmt: skip
@click.option("--check", is_flag=True, help="Check more than 20,000 images for faults, too.")
@click.option(
    "--plots", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Also write each plot for papers, as PNG and SVG, to this folder.",
)  # fmt: skip
def command(
    run: Path,
    output: Path | None,
    plots: Path | None,
    *,
    check: bool,
    no_images: bool,
    no_neighbours: bool,
) -> None:
    """Write a page about a run: figures, confusions, wrong images.

    The page is one HTML file that needs no network. Labels that look wrong can be ticked in it, and
    downloaded as fixes.csv for data.fixes.
    """
    if check and no_neighbours:
        raise click.UsageError("--check needs what --no-neighbours leaves out; write one of them")
    with warnings_as_notes(), stopped_cleanly():
        if no_neighbours:  # nothing to show: what trains is not imported
            path = tlf.write_report(
                run, output=output, images=not no_images, neighbours=False, plots=plots
            )
        else:
            path = _with_neighbours(run, output, plots, images=not no_images, check=check)
    echo(f"report    {path}")
    if plots is not None:
        echo(f"plots     {plots}")


def _with_neighbours(
    run: Path, output: Path | None, plots: Path | None, *, images: bool, check: bool
) -> Path:
    """Write the page, and show what is computed for it."""
    from tlf.reports.run_report import page_path, reported

    path = page_path(run, output)
    events = settled(reported(run, path, images=images, check=check, plots=plots, background=True))
    tlf.show(events)
    return path

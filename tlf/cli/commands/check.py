"""``tlf check RECIPE|FOLDER``."""

from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import echo
from tlf.cli.process import stopped_cleanly
from tlf.errors import in_shell
from tlf.runtime.strict_json import dumps


@click.command()
@click.argument("data", type=click.Path(path_type=Path), metavar="RECIPE|FOLDER")
@arguments.overrides
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="The folder to write; a number is added if it exists.  [default: checks/NAME]",
)  # fmt: skip
def command(data: Path, overrides: tuple[str, ...], output: Path | None) -> None:
    """Look for faults in images before they train.

    The images are those of RECIPE, or of a FOLDER that holds a folder of images for each class.
    Unreadable files, odd sizes, duplicates, images that train and eval share, labels that look
    wrong, and classes that can hardly be told apart are found. check.html shows them, and a recipe
    takes fixes.csv as data.fixes. No image file is changed.

    The backbone of RECIPE looks at the images. For a FOLDER it is the ResNet-18 that comes with
    tlf, unless you name another: backbone.weights=IMAGENET1K_V1
    """
    # Before what embeds images is imported, which takes seconds: a mistake is reported at once.
    from tlf.checks.plan import plan_to_check
    from tlf.recipe.plan import with_splits
    from tlf.runtime.files import check_creatable, default_folder

    plan = with_splits(plan_to_check(data, overrides))
    output = output or default_folder("checks", data)
    check_creatable(output)
    with stopped_cleanly():
        checked = tlf.show(tlf.check(plan))
        if checked is not None:
            kept = [each for each in overrides if not each.startswith("data.fixes=")]
            recipe = "RECIPE" if data.is_dir() else " ".join(map(in_shell, [data, *kept]))
            _say_files(tlf.write_check(checked, output), recipe, plan.recipe.data.fixes or ())


def _say_files(folder: Path, recipe: str, before: str | tuple[str, ...]) -> None:
    """Say what was written, and what to do with it.

    Parameters:
        folder: what was written.
        recipe: the recipe and its overrides, as they are written in a command.
        before: fixes that the images had already. The new ones do not repeat them.
    """
    from tlf.runtime.files import from_here

    shown = from_here(folder)
    older = map(Path, [before] if isinstance(before, str) else before)
    files = [*map(str, map(from_here, older)), str(shown / "fixes.csv")]
    value = dumps(files, ensure_ascii=False) if len(files) > 1 else files[0]
    echo(
        f"\npage      {shown / 'check.html'}\n"
        f"fixes     {shown / 'fixes.csv'}: open the page, tick, download; or edit this file\n"
        f"use them  tlf {recipe} {in_shell(f'data.fixes={value}')}"
    )

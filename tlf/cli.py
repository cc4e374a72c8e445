"""The command line. Prints errors without a traceback; imports what a command needs when it
runs.
"""

import sys
from pathlib import Path

import click
from click_default_group import DefaultGroup

from tlf import __version__
from tlf.errors import TlfError, nearest

_RUNS_BY_DEFAULT: type[click.Group] = DefaultGroup
"""``tlf RECIPE`` is ``tlf run RECIPE``."""


@click.group(
    cls=_RUNS_BY_DEFAULT,
    default="run",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="tlf")
def cli() -> None:
    """Turn a pretrained image backbone into a classifier for your own pictures."""


_recipe = click.argument("recipe", type=click.Path(path_type=Path))
_overrides = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")


@cli.command()
@_recipe
@_overrides
def run(recipe: Path, overrides: tuple[str, ...]) -> None:
    """Train what RECIPE describes.

    KEY=VALUE arguments override the recipe: data.root=my/pictures phases.0.epochs=5
    """
    _check_is_no_command(recipe)
    from rich.console import Console

    from tlf.run import run as run_recipe
    from tlf.screen import show

    show(run_recipe(recipe, overrides), Console())


@cli.command()
@_recipe
@_overrides
@click.option("--names", is_flag=True, help="List the parameters that learn in each phase.")
@click.option("--model", is_flag=True, help="Print the model's architecture.")
def explain(recipe: Path, overrides: tuple[str, ...], *, names: bool, model: bool) -> None:
    """Show what RECIPE would do, and train nothing."""
    from rich.console import Console

    from tlf.explain import explain as explain_recipe
    from tlf.screen import show_explanation

    show_explanation(explain_recipe(recipe, overrides), Console(), names=names, model=model)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "jsonl"]), default="table",
    show_default=True, help="A table to read, or CSV or JSON lines to go on with.",
)  # fmt: skip
def predict(run: Path, pictures: tuple[Path, ...], form: str) -> None:
    """Classify PICTURES with the best model of RUN."""
    from tlf.predict import load_run
    from tlf.predict import predict as predict_pictures
    from tlf.predictions import PRINTERS

    trained = load_run(run)
    PRINTERS[form](predict_pictures(trained, pictures))


@cli.command()
def plugins() -> None:
    """List every plugin, what it offers, and what failed to load and why."""
    from rich.console import Console

    from tlf.plugins import survey
    from tlf.survey import show_survey

    show_survey(survey(), Console())


def _check_is_no_command(recipe: Path) -> None:
    """Tell a misspelt command from a recipe that is not there: ``tlf RECIPE`` needs no command.

    Raises:
        TlfError: there is no such file, and it is not called like one.
    """
    if recipe.suffix or recipe.exists():
        return
    file = recipe.with_name(f"{recipe.name}.toml")
    known = [*cli.commands, *([str(file)] if file.exists() else [])]
    raise TlfError(
        f"{recipe} is neither a command nor a recipe, a file that ends in .toml; "
        f"{nearest(str(recipe), known)}"
    )


def main() -> None:
    """Run a command; print what a user can mend in one message and exit with code 2."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except TlfError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)

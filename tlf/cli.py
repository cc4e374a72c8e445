"""The command line. Prints errors without a traceback; imports what a command needs when it
runs.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import tlf
from tlf.errors import DataError, StoppedError, TlfError, nearest
from tlf.process import importing, keep_memory, settle
from tlf.results import SegmentStarted
from tlf.shortage import shortage
from tlf.usage import Commands, missing

if TYPE_CHECKING:
    from tlf.planning import Plan
    from tlf.predictions import Prediction


@click.group(
    cls=Commands,
    default="run",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(tlf.__version__, prog_name="tlf")
def cli() -> None:
    """Turn a pretrained image backbone into a classifier for your own pictures."""


_recipe = click.argument("recipe", type=click.Path(path_type=Path))
_run = click.argument("run", type=click.Path(path_type=Path))
_changed = click.option(
    "--changed", is_flag=True, help="Go on although the recipe or the pictures are others."
)
_overrides = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")


@cli.command()
@_recipe
@_overrides
@click.option("--resume", "again", is_flag=True, help="Go on with the run that was stopped.")
@_changed
def run(recipe: Path, overrides: tuple[str, ...], *, again: bool, changed: bool) -> None:
    """Train what RECIPE describes; tlf RECIPE does the same.

    KEY=VALUE arguments override the recipe: data.root=my/pictures phases.0.epochs=5
    """
    _check_is_no_command(recipe)
    plan = _plan(recipe, overrides)
    if again:
        tlf.show(_settled(tlf.resume_recipe(plan, changed=changed)))
        return
    from tlf.planning import looking_ahead

    with looking_ahead(plan) as ready:
        with importing():
            show, events = tlf.show, tlf.run(ready)
        show(_settled(events))


@cli.command()
@_run
@_changed
def resume(run: Path, *, changed: bool) -> None:
    """Go on with a run that was stopped."""
    from tlf.folders import unfinished_run

    folder = unfinished_run(run)  # told before torch is imported
    tlf.show(_settled(tlf.resume(folder, changed=changed)))


@cli.command()
@_run
def history(run: Path) -> None:
    """Print the epochs of a run."""
    from rich.console import Console

    from tlf.epochs import history_lines

    for line in history_lines(tlf.read_history(run)):
        Console().print(line, markup=False, highlight=False, soft_wrap=True)


@cli.command()
@_recipe
@_overrides
@click.option("--names", is_flag=True, help="List the parameters that learn in each phase.")
@click.option("--model", is_flag=True, help="Print the model's architecture.")
def explain(recipe: Path, overrides: tuple[str, ...], *, names: bool, model: bool) -> None:
    """Show what RECIPE would do, and train nothing."""
    from rich.console import Console

    plan = _plan(recipe, overrides)
    from tlf.screen import show_explanation

    show_explanation(tlf.explain(plan), Console(), names=names, model=model)


@cli.command()
@_run
@click.argument(
    "pictures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PICTURE..."
)
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "jsonl"]), default="table",
    show_default=True, help="A table to read, or CSV or JSON lines to go on with.",
)  # fmt: skip
def predict(run: Path, pictures: tuple[Path, ...], form: str) -> None:
    """Classify pictures with the best model of a run.

    PICTURE is a file, or a folder of them. Those that cannot be read are left out and named in the
    end, on stderr; the exit code is 1 then, and 2 where none can be read.
    """
    from tlf.predictions import PRINTERS

    problems: list[DataError] = []
    PRINTERS[form](_some(tlf.predict(run, pictures, problems.append), problems))
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    if problems:
        click.get_current_context().exit(1)


@cli.command()
@_run
@click.option(
    "--to",
    required=True,
    metavar="FORMAT",
    help="head, model, timm, torchvision, torch-export or onnx.",
)
@click.option("--output", type=click.Path(path_type=Path), help="The file to write.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
@click.option("--int8", is_flag=True, help="With onnx: 8-bit weights and activations.")
@click.option(
    "--margin", type=float, default=0.01, show_default=True,
    help="The fraction of top-1 that 8 bits may cost.",
)  # fmt: skip
def export(
    run: Path, to: str, output: Path | None, *, overwrite: bool, int8: bool, margin: float
) -> None:
    """Write a run's best model for another library, if it gives what the run gave."""
    found = tlf.export(run, to, output, overwrite=overwrite, int8=int8, margin=margin)
    click.echo(
        f"{found.path}\n{found.pictures} pictures of the run: probabilities differ by "
        f"{found.difference:.1g} at most, top-1 {found.top1:.2%}, of the run {found.run_top1:.2%}"
    )


@cli.command()
def plugins() -> None:
    """List plugins, what they offer, and what failed to load."""
    from rich.console import Console

    from tlf.survey import show_survey

    show_survey(tlf.survey_plugins(), Console())


@cli.command("cache")
@click.option("--clear", is_flag=True, help="Remove everything.")
@click.option("--dir", "folder", metavar="FOLDER", help="Another folder than tlf's own.")
def cache_(*, clear: bool, folder: str | None) -> None:
    """List what runs have computed once and stored, or remove it."""
    from tlf.cached import cache_lines
    from tlf.caching.cache import readable_size

    cache = tlf.open_cache(folder)
    if clear:
        click.echo(f"removed {readable_size(cache.clear())} from {cache.folder}")
        return
    for line in cache_lines(cache):
        click.echo(line)


@cli.command("new-plugin")
@click.argument("name")
def new_plugin(name: str) -> None:
    """Write the package of a new plugin, which works, into the folder tlf-NAME."""
    folder = tlf.write_plugin(name, Path())
    click.echo(
        f"{folder} holds a plugin that works: a freeze policy, its test, a README. Go on with\n"
        f"    pip install -e {folder}\n"
        f"    pytest {folder}\n"
        f"    tlf explain RECIPE phases.0.freeze={name}:ends"
    )


def _plan(recipe: Path, overrides: tuple[str, ...]) -> "Plan":
    """Read a recipe before what trains is imported, which takes seconds, and tell what is wrong.

    Raises:
        RecipeError: anything in the recipe or the overrides is wrong.
        PluginError: a plugin that it names cannot be loaded.
    """
    from tlf.planning import read_plan

    return read_plan(recipe, overrides)


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


def _some(found: "Iterator[Prediction]", problems: Sequence[DataError]) -> "Iterator[Prediction]":
    """The same predictions, of which there has to be one.

    Raises:
        DataError: there is none; says what is wrong with every picture.
    """
    first = next(found, None)
    if first is None:
        raise DataError("\n  ".join(["no picture can be read:", *map(str, problems)]))
    yield first
    yield from found


def _settled(events: Iterator[Any]) -> Iterator[Any]:
    """What a run tells; meanwhile, the process goes by what the run is about to do."""
    for number, event in enumerate(events):
        if number == 0:
            settle()  # everything is imported that will be
        if isinstance(event, SegmentStarted):
            # What a whole network keeps for its backward pass leaves gaps between large blocks,
            # which would cost memory; what only passes through frozen stages leaves none.
            keep_memory(large=event.start != "pictures")
        yield event


def main() -> int:
    """Run a command and give its exit code; what a user can mend is told in one message: 2."""
    try:
        return cli(standalone_mode=False) or 0
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return 130
    except click.MissingParameter as error:
        click.echo(f"error: {missing(error)}", err=True)
    except click.ClickException as error:
        error.show()
    except StoppedError as error:
        click.echo(str(error), err=True)
        return 143 if error.by == "SIGTERM" else 130
    except TlfError as error:
        click.echo(f"error: {error}", err=True)
    except (MemoryError, RuntimeError) as error:
        if (short := shortage(error)) is None:
            raise
        click.echo(f"error: {short}", err=True)
    return 2

"""``tlf simulate RECIPE``."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import complain, echo, flush
from tlf.cli.process import settle, stopped_cleanly
from tlf.events import Notice, SimulatorStarted
from tlf.simulator.live import PORT

if TYPE_CHECKING:
    from tlf.data.inspection.inspect import Events


@click.command()
@arguments.recipe
@arguments.overrides
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N",
    help=f"The port, or the first one after it that is free; 0: any.  [default: {PORT}]",
)  # fmt: skip
@click.option(
    "--save", type=click.Path(path_type=Path), metavar="FILE", callback=arguments.named_file,
    help="Write a page that needs no program instead: the presets, 12 steps of each. A file of "
    "that name is replaced.",
)  # fmt: skip
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    port: int | None,
    save: Path | None,
    *,
    open_browser: bool,
) -> None:
    """Watch gradients flow in the network of RECIPE.

    A page shows its stages. Freeze some by a click, make training steps, and see what moves, what
    stays, and how far the gradients flow: real steps, on a few images of the recipe. Only this
    computer can reach the page. Ctrl-C ends it.
    """
    if save is not None and (open_browser or port is not None):
        raise click.UsageError("--save serves no page; leave it out, or --open and --port")
    port = PORT if port is None else port
    events = tlf.simulate(recipe, overrides, port=port, open_browser=open_browser, save=save)
    try:
        with stopped_cleanly():
            if (started := _opened(events)) is not None:
                echo(started.address)
                flush()
                complain("Ctrl-C ends it")
                settle()  # a change of settings collects garbage, while the page waits
            for event in events:
                if isinstance(event, Notice):
                    complain(f"note: {event.text}")
    except SystemExit as stop:  # a step may still be made: the process ends as after Ctrl-C
        click.get_current_context().exit(int(stop.code or 0))
    if save is not None:
        echo(f"saved     {save}")


def _opened(events: Iterator["Events | SimulatorStarted"]) -> "SimulatorStarted | None":
    """Show on stderr how the recipe is opened. Returns what comes then; None: nothing is served."""
    from rich.console import Console

    started: list[SimulatorStarted] = []

    def opening() -> Iterator["Events"]:
        for event in events:
            if isinstance(event, SimulatorStarted):
                started.append(event)
                return
            yield event

    tlf.show(opening(), Console(stderr=True))
    return started[0] if started else None

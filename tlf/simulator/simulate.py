"""The page of the simulator: served, or recorded into a file."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.errors import require
from tlf.events import Notice, SimulatorStarted
from tlf.recipe.plan import Plan, RecipeLike, plan_of
from tlf.runtime.files import check_page_name, writing, written_whole
from tlf.runtime.text import printable
from tlf.simulator.live import PORT
from tlf.simulator.live.serving import OPENING, served

if TYPE_CHECKING:
    from tlf.data.inspection.inspect import Events


def simulate(
    recipe: RecipeLike,
    overrides: Sequence[str] = (),
    *,
    port: int = PORT,
    open_browser: bool = False,
    save: str | PathLike[str] | None = None,
) -> Iterator["Events | SimulatorStarted"]:
    """Serve a page, to this computer only, in which stages of a recipe's network are frozen by a
    click, and training steps show how far the gradients flow.

    Yields events while the recipe is opened, and then ``SimulatorStarted`` with the address of the
    page. While the next event is taken, the page is served: until the program is interrupted.

    Parameters:
        recipe: the path of a recipe, or the result of ``load_recipe``.
        overrides: ``key=value``, as on the command line.
        port: the port of the address, or the first one after it that is free; 0: any.
        open_browser: open the page in a browser.
        save: serve nothing; record the presets, and write a page that plays them to this file.

    Raises:
        TlfError: anything that would stop a run before it trains; starlette or uvicorn is not
            installed; no port can be used; the file cannot be written.
        MemoryError, RuntimeError: Python's or torch's own error about too little memory.
    """
    if save is None:
        require("starlette", "uvicorn", extra="serve")
    plan = plan_of(recipe, overrides)
    command = printable(shlex.join(["tlf", "simulate", plan.source, *overrides]))
    if save is None:
        yield from served(plan, command, port, open_browser=open_browser)
    else:
        yield from _saved(plan, command, Path(save))


def _saved(plan: Plan, command: str, path: Path) -> Iterator["Events"]:
    """Record the presets and write their page."""
    check_page_name(path)
    with ExitStack() as exits:
        with writing(path):  # first: a page that cannot be written is not recorded
            file = exits.enter_context(written_whole(path))
        yield OPENING
        from tlf.simulator.recording import record, write_recording
        from tlf.simulator.simulation import open_simulation

        simulation = yield from open_simulation(plan)
        recordings = yield from record(simulation, command)
        with writing(path):
            notes = write_recording(recordings, file)
            exits.close()
    yield from map(Notice, notes)

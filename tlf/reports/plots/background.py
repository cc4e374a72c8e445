"""Charts that another process draws, while this one computes what else a page shows.

To import matplotlib and to draw takes about as long as to import torch, and neither can be done by
a thread: both hold Python's lock.
"""

import signal
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from tlf.reports.plots.draw import Chart, chart
from tlf.reports.plots.plot import Plot
from tlf.runtime.cores import usable_cores

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def drawn_in_background(plots: Callable[[], Iterable[Plot]]) -> Callable[[Plot], Chart]:
    """Begin to draw plots; return what gives the chart of each.

    The other process is forked from this one, on Linux, where there is a second core. Call this
    before torch is imported: a process that has begun threads is better not forked.

    Parameters:
        plots: returns the plots, each with a name of its own. The other process calls it.
    """
    if sys.platform != "linux" or usable_cores() < 2:
        return chart
    return _Background(plots)


class _Background:
    """Another process that draws."""

    def __init__(self, plots: Callable[[], Iterable[Plot]]) -> None:
        from multiprocessing import get_context

        fork = get_context("fork")
        self._drawing, sending = fork.Pipe(duplex=False)
        fork.Process(target=_draw, args=(plots, sending), daemon=True).start()
        sending.close()  # so that this process sees where the other one has ended
        self._drawn: dict[str, Chart] | None = None

    def __call__(self, plot: Plot) -> Chart:
        """The chart of a plot; drawn here if the other process has failed, so that its error is
        raised here, too.
        """
        if self._drawn is None:
            try:
                self._drawn = self._drawing.recv()
            except (EOFError, OSError):  # it has ended before, or while it sent them
                self._drawn = {}
        return self._drawn.get(plot.name) or chart(plot)


def _draw(plots: Callable[[], Iterable[Plot]], sending: "Connection") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that is waited for
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        drawn = {plot.name: chart(plot) for plot in plots()}
    except Exception:  # the other process meets it, too, and raises it
        return
    sending.send(drawn)

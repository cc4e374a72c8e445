"""``tlf serve RUN...``."""

from collections.abc import Callable
from pathlib import Path

import click

import tlf
from tlf.cli.commands.predict import WHY
from tlf.cli.output import complain, echo, flush, warnings_as_notes
from tlf.cli.process import settle, stopped_cleanly, wait_briefly
from tlf.runtime.precision import PRECISIONS
from tlf.serving import BATCH, HOST, PORT, WINDOW
from tlf.serving.limits import MEGABYTE, ServingLimits

DEFAULT = ServingLimits()
Command = Callable[..., None]


def _number(
    option: str, default: float, help_: str, least: int, most: int | None = None
) -> Callable[[Command], Command]:
    """An option that is a number."""
    kind = click.FloatRange if isinstance(default, float) else click.IntRange
    return click.option(
        option, type=kind(least, most), default=default, metavar="N", help=help_, show_default=True
    )


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--host", default=HOST, metavar="ADDRESS", show_default=True,
    help="The address to listen at; 0.0.0.0: other computers reach it, too.",
)  # fmt: skip
@_number("--port", PORT, "The port; 0: any that is free.", 0, 65535)
@click.option(
    "--precision", type=click.Choice(PRECISIONS),
    help="What to compute in; no is float32.  [default: what the run computed in]",
)  # fmt: skip
@click.option(
    "--device", default="cpu", metavar="NAME", show_default=True,
    help="Where to compute: cpu, cuda, cuda:1 or mps.",
)  # fmt: skip
@click.option(
    "--why", is_flag=True,
    help="Name the 3 most similar train images of each image, with their labels.",
)  # fmt: skip
@_number("--batch", BATCH, "The most images that are classified together.", 1)
@_number("--window", WINDOW, "Milliseconds that an image waits for others that are being read.",
         0, 10_000)  # fmt: skip
@_number("--max-body", DEFAULT.body // MEGABYTE, "The most megabytes of a request.", 1)
@_number("--max-pixels", DEFAULT.pixels // 10**6, "The most million pixels of an image.", 1)
@_number("--max-images", DEFAULT.images, "The most images of a request.", 1)
@_number("--queue", DEFAULT.queue, "The most requests that wait or are classified.", 1)
@_number("--timeout", DEFAULT.seconds, "The most seconds in which a request arrives, and in which "
         "it is answered.", 1)  # fmt: skip
@click.option("--log", is_flag=True, help="Write a line for each request to stderr.")
def command(
    runs: tuple[Path, ...],
    host: str,
    port: int,
    precision: str | None,
    device: str,
    batch: int,
    window: float,
    max_body: int,
    max_pixels: int,
    max_images: int,
    queue: int,
    timeout: float,
    *,
    why: bool,
    log: bool,
) -> None:
    """Answer images over HTTP with the best models of runs.

    POST images to /predict, as the files of a form or one as the body: curl -F image=@ant.jpg
    http://127.0.0.1:8000/predict. The answer is JSON: what tlf predict says of each image, for each
    RUN. Runs with the same backbone compute its features once. A browser shows a page on which
    images are dropped. /health, /metrics (Prometheus) and /openapi.json are there, too. Ctrl-C and
    SIGTERM end it, when what it has accepted is answered. It needs pip install 'tlf[serve]'.
    """
    wait_briefly()  # a server often shares its machine
    limits = ServingLimits(max_body * MEGABYTE, max_pixels * 10**6, max_images, queue, timeout)
    served = tlf.serve(
        runs, host=host, port=port, precision=precision, device=device, nearest=WHY if why else 0,
        batch=batch, window=window, limits=limits, log=complain if log else None,
    )  # fmt: skip
    with stopped_cleanly(), warnings_as_notes():
        started = next(served)
        echo(started.address)
        flush()
        complain("Ctrl-C ends it")
        settle()  # requests collect garbage
        try:
            next(served)
        except (KeyboardInterrupt, SystemExit):  # it has answered what it had accepted
            complain("ended")

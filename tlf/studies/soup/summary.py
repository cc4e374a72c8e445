"""What ``tlf soup`` prints."""

from collections.abc import Iterator
from textwrap import wrap

from tlf.errors import in_shell
from tlf.runtime.text import printable
from tlf.studies.accuracy import DECIMALS, columns, heading, percent
from tlf.studies.soup.souped import GREEDY, Soup, Tried


def lines(soup: Soup) -> Iterator[str]:
    """The table, and the soup against its best run."""
    yield (
        f"soup      {soup.kind}: the mean of {len(soup.kept)} of {len(soup.tried)} runs, on "
        f"{soup.images:,} images of {printable(soup.data)}"
    )
    yield from (f"left out  {text}" for text in soup.left_out)
    for text in soup.cautions:
        yield from wrap(
            printable(text), 80, initial_indent="caution   ", subsequent_indent=" " * 10
        )
    yield from (f"note      {text}" for text in notes(soup))
    yield f"\n{heading(soup.metric)}   with it   run"
    yield from map(_row, soup.tried)
    yield f"{columns(soup.accuracy)}   {'':7}   the soup"
    yield "\nthe soup against the best run, image by image"
    yield from soup.comparison.lines(soup.tried[0].run, "the soup", DECIMALS)


def notes(soup: Soup) -> Iterator[str]:
    """What to know about the figures: one sentence each."""
    if soup.kind == GREEDY:
        yield (
            "these images have chosen the runs of the soup, so its figure is optimistic. Evaluate "
            f"it on others: tlf evaluate {in_shell(soup.folder)} --data OTHER/IMAGES"
        )
    if soup.own_images:
        yield "each run is in its best epoch, which the same images have chosen"
    if len(soup.kept) == 1:
        yield "no other run was kept: the soup is the best run itself"


def _row(one: Tried) -> str:
    with_it = "" if one.with_it is None else percent(one.with_it)
    left_out = "" if one.kept else ", left out"
    return f"{columns(one.accuracy)}   {with_it:>7}   {printable(one.run)}{left_out}"

"""Figures → aligned text or Markdown."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from measuring import Figures

HEADER = [
    "", "n", "seconds", "× plain", "× limit", "epoch 1 s", "epoch s", "images/s", "CPU s",
    "peak MiB", "stored MiB", "top-1 %",
]  # fmt: skip
"""``× plain``: how many times as fast as the plain loop. ``× limit``: its seconds over the
limit's."""


def rows(results: dict[str, list[Figures]], images: int, epochs: int) -> list[list[str]]:
    """A row for each contestant of a job; a name without figures was not installed."""
    seconds = {
        name: statistics.median(f.seconds for f in each) for name, each in results.items() if each
    }
    plain = next((s for name, s in seconds.items() if name.startswith("plain loop")), None)
    limit = next((s for name, s in seconds.items() if name.startswith("the limit")), None)
    found = []
    for name, each in results.items():
        if not each:
            found.append([name, "0", "not installed", *[""] * (len(HEADER) - 3)])
            continue
        note = f" (estimated from {each[0].epochs} of {epochs} epochs)" if each[0].estimated else ""
        own = seconds[name]
        found.append([
            name + note, str(len(each)), spread([f.seconds for f in each]),
            f"{plain / own:.2f}" if plain else "–", f"{own / limit:.2f}" if limit else "–",
            spread([f.first_epoch for f in each], 3), spread([f.later_epochs for f in each], 3),
            spread([images * epochs / f.seconds for f in each], 0),
            spread([f.cpu_seconds for f in each]), spread([f.peak_mib for f in each], 0),
            spread([f.stored_mib for f in each], 0),
            # What fewer epochs reach says nothing about more.
            "–" if each[0].estimated else spread([f.top1 for f in each]),
        ])  # fmt: skip
    return found


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median and, of several, the least and the greatest.

    >>> spread([3.0, 1.0, 2.5]), spread([4.0])
    ('2.5 [1.0, 3.0]', '4.0')
    """
    middle = f"{statistics.median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def means(
    kind: str, columns: Mapping[str, str], found: Mapping[str, Sequence[Mapping[str, float]]]
) -> Iterator[str]:
    """Markdown: a row for each name, whose figures have been found once or several times: the mean
    and, of several, the least and the greatest. ``columns``: figure → its heading; ``kind``: what
    the names are.

    >>> print(*means("loss", {"a": "A", "b": "B"}, {"x": [{"a": 1}, {"a": 2}]}), sep="\\n")
    | loss | A | B |
    |---|---|---|
    | x | 1.5 [1.0, 2.0] | – |
    """
    yield f"| {kind} | {' | '.join(columns.values())} |"
    yield "|---" * (len(columns) + 1) + "|"
    for name, every in found.items():
        cells = []
        for column in columns:
            values = [one[column] for one in every if column in one]
            range_ = f" [{min(values):.1f}, {max(values):.1f}]" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.1f}{range_}" if values else "–")
        yield f"| {name} | {' | '.join(cells)} |"


def text(title: str, body: list[list[str]], *, markdown: bool) -> str:
    """One job's part of the table.

    >>> print(text("a job", [["x"] * len(HEADER)], markdown=False).splitlines()[0])
    a job
    """
    if markdown:
        ruled = [HEADER, ["---", *["--:"] * (len(HEADER) - 1)], *body]
        return "\n".join([f"**{title}**", "", *("| " + " | ".join(line) + " |" for line in ruled)])
    return "\n".join([title, *aligned([HEADER, *body])])


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Columns of one width each: the first reads from the left, the others to the right.

    >>> aligned([["a", "10"], ["bc", "2"]])
    ['a   10', 'bc   2']
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    ]


def agreement(one: str, other: str, results: dict[str, list[Figures]]) -> str:
    """Whether the accuracies of two contestants differ by more than chance.

    The standard error of the difference of their means, over the seeds.
    """
    a, b = ([f.top1 for f in results[name]] for name in (one, other))
    difference = statistics.mean(b) - statistics.mean(a)
    error = (statistics.variance(a) / len(a) + statistics.variance(b) / len(b)) ** 0.5
    verdict = "within" if abs(difference) <= 2 * error else "beyond"
    return (
        f"top-1 over {len(a)} seeds: {one} {statistics.mean(a):.2f} %, {other} "
        f"{statistics.mean(b):.2f} %; difference {difference:+.2f} ± {error:.2f} (standard error), "
        f"{verdict} two standard errors"
    )

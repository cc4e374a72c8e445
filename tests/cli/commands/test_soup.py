"""``tlf soup``: what it prints."""

from pathlib import Path

from tlf.metrics.comparison import Comparison
from tlf.metrics.figures import Figure
from tlf.studies.soup.souped import Soup, Tried


def test_a_mistake_ends_with_a_message(finished, main):
    assert main("soup", finished) == (
        2,
        "",
        "error: a soup must be of 2 runs or more, got 1; name another run that has the same "
        "start\n",
    )
    code, _, err = main("soup", finished, finished, "data.root=x", "epochs=3")
    assert code == 2
    assert "must be different, got the same run" in err


def test_the_table():
    even = Figure(0.0, -0.01, 0.01)
    soup = Soup(
        Path("soups/my mix"), "greedy", "the eval split of runs/a", 153,
        (Tried("runs/b", Figure(0.93, 0.9, 0.96), kept=True),
         Tried("runs/a", Figure(0.92, 0.89, 0.95), kept=True, with_it=0.94),
         Tried("runs/c", Figure(0.5, 0.4, 0.6), kept=False, with_it=0.9)),
        Figure(0.94, 0.91, 0.97), Comparison(153, even, even, (), ("x.jpg",), 1.0, None),
    )  # fmt: skip
    lines = str(soup).splitlines()
    assert (
        lines[0]
        == "soup      greedy: the mean of 2 of 3 runs, on 153 images of the eval split of runs/a"
    )
    assert lines[1].endswith("tlf evaluate 'soups/my mix' --data OTHER/IMAGES")
    assert "  93.0%    90.0%–96.0%               runs/b" in lines
    assert "  92.0%    89.0%–95.0%       94.0%   runs/a" in lines
    assert "  50.0%    40.0%–60.0%       90.0%   runs/c, left out" in lines
    assert "  94.0%    91.0%–97.0%               the soup" in lines
    assert "right only by              1   the second, the soup" in lines
    assert "top-1                  +0.0%   -1.0% to +1.0%" in lines  # one decimal, as above

"""Images are found by their names in a table; fixes: ``tests/data/test_fixes.py``."""

import pytest

from tlf.data.listing.lookup import Lookup, found_in, position

NAMES = ("a.jpg", " b.jpg", "b.jpg", " c.jpg", "d.jpg", "d.jpg", "caf\udce9.jpg", "e.jpg")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.jpg", 0), (" a.jpg ", 0), ("b.jpg", 2), (" b.jpg", 1), ("c.jpg", 3),
        ("caf\\xe9.jpg", 6), ("d.jpg", "several images are called d.jpg"),
        ("z.jpg", "there is no image z.jpg"),
    ],
)  # fmt: skip
def test_an_image_is_found_by_its_name(path, found):
    lookup = Lookup(NAMES, [path])
    assert lookup.find(path) == found
    assert len(lookup.positions) <= 3  # of all that are not asked for, nothing is kept


def test_an_image_is_found_in_the_split_that_it_is_in_now():
    names = {"train": Lookup(["a.jpg", "b.jpg"], ["a.jpg", "b.jpg", "c.jpg"])}
    names["eval"] = Lookup(["b.jpg", "c.jpg"], ["a.jpg", "b.jpg", "c.jpg"])
    assert [found_in(names, "train", path) for path in ("a.jpg", "c.jpg")] == ["train", "eval"]
    assert found_in(names, "eval", "b.jpg") == "eval"  # both splits have one
    assert position(names, "eval", "c.jpg") == 1
    assert position(names, "eval", "a.jpg") == "there is no image a.jpg in the eval split"
    assert position(names, "test", "a.jpg") == "there is no test split; write train or eval"

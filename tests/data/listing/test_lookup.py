"""Images are found by their names in a table; fixes: ``tests/data/test_fixes.py``."""

import pytest

from tlf.data.listing.lookup import Lookup

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

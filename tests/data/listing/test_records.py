"""Records are what a list of them would be."""

from dataclasses import dataclass

import pytest

from tlf.data.listing.compact import Names
from tlf.data.listing.records import Records, Rows, repeated_hashes


@dataclass(frozen=True)
class Image:
    path: str
    there: bool
    values: tuple[str, ...] = ()


IMAGES = [Image("a/1.jpg", True), Image("caf\udce9.jpg", False, ("x", "y")), Image("", True)]


def test_records_are_what_was_appended():
    records = Records(Image)
    assert ([*records], len(records)) == ([], 0)
    for image in IMAGES:
        records.append(image)
    assert [*records] == IMAGES == records[:]
    assert (records[-1], records[0:2], len(records)) == (IMAGES[2], IMAGES[:2], 3)
    assert {type(image.there) for image in (*records, records[0])} == {bool}
    with pytest.raises(IndexError):
        records[3]


def test_rows_are_held_by_column():
    rows = Rows("row", range(2), [Names("ab"), Names(["", "y"])])
    assert [*rows] == [("row 0", ["a", ""]), ("row 1", ["b", "y"])] == rows[:]
    assert [*Rows("line", [7], [])] == [("line 7", [])]


def test_hashes_of_what_is_there_once_are_not_kept():
    assert repeated_hashes("abcab") == {hash("a"), hash("b")}
    assert not repeated_hashes(map(str, range(1000)))

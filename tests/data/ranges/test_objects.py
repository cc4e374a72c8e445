from hashlib import sha256

import pytest

from tlf.data.ranges import open_object
from tlf.errors import DataError


@pytest.fixture
def found(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"abcdef")
    return open_object(str(tmp_path / "a.tar"))


def test_bytes_behind_the_end_are_refused(found):
    with pytest.raises(DataError, match=r"ends at byte 6, but its bytes 4 to 8 are needed"):
        found.read(4, 4)


def test_other_bytes_than_those_of_a_hash_are_refused(found):
    assert found.read(1, 2, sha256(b"bc").hexdigest()) == b"bc"
    with pytest.raises(DataError, match=r"the bytes 1 to 3 of .* are not those"):
        found.read(1, 2, sha256(b"xy").hexdigest())

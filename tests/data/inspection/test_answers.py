"""Answers about many images take the bytes that they have, and find equal images."""

import pickle
from hashlib import sha256

import numpy as np
import pytest

from tlf.data.inspection.answers import Answers, Digests, compact, in_order, repeated

ONE, TWO, THREE = (sha256(bytes([number])).digest() for number in range(3))


def test_answers_of_several_processes_are_put_in_the_order_of_the_images():
    first, second = Answers(2, bytearray(4)), Answers(2, bytearray(2))
    second.add(3, b"dd", "late")
    first.add(0, b"aa", None)
    first.add(2, b"", "nothing")
    rows, notes = in_order([second, pickle.loads(pickle.dumps(first))], 5, 2)
    assert [bytes(row) for row in rows] == [b"aa", bytes(2), bytes(2), b"dd", bytes(2)]
    assert [*notes.items()] == [(2, "nothing"), (3, "late")]
    rows, _ = in_order([first], 5, 2)  # it failed after two images
    assert [bytes(row) for row in rows] == [b"aa", *[bytes(2)] * 4]
    whole = Answers(1, bytearray(2))
    whole.add(0, b"a", None)
    whole.add(1, b"b", None)
    assert in_order([whole], 2, 1)[0].tobytes() == b"ab"


def test_answers_without_a_row_are_notes_alone():
    answers = Answers(0, bytearray())
    for index in range(3):
        answers.add(index, b"", "why" if index else "")
    for count in (3, 5):
        rows, notes = in_order([answers], count, 0)
        assert rows.shape == (count, 0)
        assert notes == {1: "why", 2: "why"}


def test_digests_are_what_a_list_of_them_would_be():
    digests = compact([ONE, b"", TWO])
    assert [*digests] == [ONE, b"", TWO] == digests[:]
    assert (digests[-1], digests[1:]) == (TWO, [b"", TWO])
    assert digests == Digests(ONE + bytes(32) + TWO) == pickle.loads(pickle.dumps(digests))
    assert digests != compact([ONE, TWO])
    assert np.asarray(digests).shape == (3, 32)
    with pytest.raises(IndexError):
        digests[3]


@pytest.mark.parametrize("kind", [list, compact])
def test_images_of_equal_bytes_are_found_in_all_parts(kind):
    parts = [kind([ONE, b"", TWO, ONE]), kind([b"", THREE, TWO])]
    assert [*repeated(*parts)] == [(0, 0, ONE), (0, 2, TWO), (0, 3, ONE), (1, 2, TWO)]
    assert [*repeated(kind([ONE, b""]), kind([]))] == []
    last = b"\xff" * 32  # as a number, above what a signed one holds
    assert [*repeated(kind([last, ONE, last]))] == [(0, 0, last), (0, 2, last)]

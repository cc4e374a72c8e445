import pytest

from tlf.components import Split
from tlf.errors import DataError, StorageError
from tlf.evaluation.same_bytes import Shared, digests_of, sentence, shared_images


def split(prefix, contents):
    def read(index):
        if contents[index] is None:
            raise DataError("gone")
        return contents[index]

    return Split([f"{prefix}{n}" for n in range(len(contents))], [0] * len(contents), read)


def test_test_images_with_the_bytes_of_others_are_named():
    test = split("t", [b"a", b"b", None, b"c"])
    others = {"train": split("x", [b"z", b"c", None]), "eval": split("v", [b"a", b"c"])}
    found = shared_images(test.names, [*digests_of(test)], others)
    assert found == (Shared("t0", "eval", "v0"), Shared("t3", "train", "x1"))
    assert sentence(found, 4) == (
        "2 of the 4 test images are in another split, too, byte for byte: 't0 = v0 (eval)', "
        "'t3 = x1 (train)'"
    )
    assert sentence((), 4) == ""


def test_a_lost_server_is_not_passed_over():
    def lost(index):
        raise StorageError("the server is gone")

    with pytest.raises(StorageError, match="gone"):
        [*digests_of(Split(["a"], [0], lost))]

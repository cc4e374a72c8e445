"""A SHA-256 inside a file, over all its bytes."""

import json
from hashlib import sha256

import pytest
import torch
from safetensors.torch import save_file

from tlf.runtime.seal import BLANK, DIGEST, digest, header, is_sealed, seal


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "a.safetensors"
    text = {DIGEST: BLANK, "user": 'file_sha256": "' + "1" * 64}
    save_file({"w": torch.arange(5.0)}, file, metadata={"tlf": json.dumps(text)})
    return file


def test_the_digest_is_of_the_file_with_zeros_in_its_place(path):
    blank = path.read_bytes()
    assert not is_sealed(path)
    seal(path)
    assert is_sealed(path)
    sealed = path.read_bytes()
    assert sealed.count(sha256(blank).hexdigest().encode()) == 1
    assert digest(sealed) == digest(blank) == sha256(blank).hexdigest()
    about = json.loads(json.loads(header(sealed)[8:])["__metadata__"]["tlf"])
    assert about[DIGEST] == digest(sealed)


def test_every_changed_byte_breaks_the_seal(path):
    seal(path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert not is_sealed(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert not is_sealed(path)
    path.write_bytes(whole)
    assert is_sealed(path)


def test_a_file_without_a_digest_is_not_sealed(tmp_path):
    save_file({"w": torch.ones(1)}, tmp_path / "a", metadata={"tlf": "{}"})
    assert not is_sealed(tmp_path / "a")

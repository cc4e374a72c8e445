"""Every byte of a file of weights counts."""

import hashlib
import json
import struct

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tlf.errors import RunError, TlfError, WeightsError
from tlf.inference.sealed_file import read_sealed, write_sealed

ABOUT = {"classes": ["ant", 'file_sha256": "bee', "Ω"], "tlf": "0.1.0"}


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "head.safetensors"
    tensors = {"weight": torch.randn(3, 5), "bias": torch.randn(3), "scale": torch.tensor(2.0)}
    write_sealed(file, tensors, ABOUT)
    return file


def header_length(data):
    return struct.unpack("<Q", data[:8])[0]


def test_what_was_written_is_read(path):
    assert read_sealed(path) == (ABOUT, path.read_bytes())


def test_layers_that_share_a_tensor_are_both_stored(tmp_path):
    """As those of CoaT, which a run would else refuse to write after its last epoch."""
    shared = torch.randn(3)
    write_sealed(tmp_path / "a.safetensors", {"one": shared, "two": shared, "part": shared[1:]}, {})
    stored = load_file(tmp_path / "a.safetensors")
    assert torch.equal(stored["one"], shared)
    assert torch.equal(stored["two"], shared)
    assert torch.equal(stored["part"], shared[1:])


def test_the_digest_is_of_the_file_with_zeros_in_its_place(path):
    """As anybody can recompute it, with safetensors and hashlib."""
    with safe_open(path, framework="pt") as file:
        stated = json.loads(file.metadata()["tlf"])["file_sha256"]
    data = path.read_bytes()
    assert data.count(stated.encode()) == 1
    assert hashlib.sha256(data.replace(stated.encode(), b"0" * 64)).hexdigest() == stated


def test_the_same_content_is_the_same_file(path, tmp_path):
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    write_sealed(tmp_path / "again", dict(reversed(tensors.items())), ABOUT)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_every_single_byte_that_changes_is_noticed(path):
    """Header length, header, metadata, digest, names and tensors: each byte, in three ways."""
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in range(len(whole)):
        for change in (0x01, 0x20, int(rng.integers(1, 256))):
            data = bytearray(whole)
            data[place] ^= change
            path.write_bytes(data)
            with pytest.raises(TlfError) as caught:
                read_sealed(path)
            assert str(path) in str(caught.value)
    path.write_bytes(whole)
    assert read_sealed(path) == (ABOUT, path.read_bytes())


def test_a_file_that_is_cut_or_goes_on_is_refused(path):
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="is damaged"):
            read_sealed(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(WeightsError, match="is damaged"):
        read_sealed(path)


def test_blanks_between_the_lines_of_the_header_count(path):
    """The header is padded with blanks, which no reader of JSON would miss."""
    whole = path.read_bytes()
    length = header_length(whole)
    longer = struct.pack("<Q", length + 8) + whole[8 : 8 + length] + b" " * 8 + whole[8 + length :]
    path.write_bytes(longer)
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["tlf"])["classes"] == ABOUT["classes"]
    with pytest.raises(WeightsError, match="bytes are not those that were written"):
        read_sealed(path)


def test_files_of_others(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(1)}, path)
    told = "is a safetensors file that was not written by tlf: .* name a run's head.safetensors"
    with pytest.raises(WeightsError, match=told):
        read_sealed(path)
    save_file({"a": torch.ones(1)}, path, metadata={"tlf": json.dumps({"format": 99, "tlf": "9"})})
    with pytest.raises(RunError, match="written by tlf 9; upgrade"):
        read_sealed(path)
    for text in ('{"format": 5}', '{"format": "2"}', '{"format": 2.5}', '{"format": 0}'):
        save_file({"a": torch.ones(1)}, path, metadata={"tlf": text})
        told = r"the format of .* must be one of 1 to 4, got .*: it was written by another tlf; up"
        with pytest.raises(RunError, match=told):
            read_sealed(path)
    for text in ("[]", "7", '"x"', "{", "{}", '{"format": 1}', "[" * 100_000):
        save_file({"a": torch.ones(1)}, path, metadata={"tlf": text})
        with pytest.raises(WeightsError, match="is damaged"):
            read_sealed(path)
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(WeightsError, match="is damaged"):
        read_sealed(path)
    with pytest.raises(RunError, match="there is no"):
        read_sealed(tmp_path / "none.safetensors")


def test_a_giant_file_is_refused_before_it_is_read(path):
    """A whole file and a terabyte of nothing, which takes no room on the disk."""
    for start in (path.read_bytes(), b""):
        path.write_bytes(start)
        with path.open("r+b") as file:
            file.truncate(2**40)
        with pytest.raises(WeightsError, match=r"is damaged|is not a safetensors file"):
            read_sealed(path)


def test_a_run_that_was_meant_is_named(path):
    run = path.parent / "mine"
    run.mkdir()
    path.rename(run / path.name)
    with pytest.raises(RunError, match=f"; did you mean '{run}'"):
        read_sealed(path.parent / "min" / path.name)


@pytest.mark.parametrize(
    "data",
    [b"hello", b"a text, no tensors\n", b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"PK\3\4\0\0\0\0\0\0\x80"],
    ids=["word", "text", "jpeg", "pth"],
)
def test_files_that_hold_no_tensors(tmp_path, data):
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        read_sealed(path)
    wanted = "name a run's head.safetensors or model.safetensors"
    assert str(caught.value) == f"{path} is not a safetensors file; {wanted}"


def test_nothing_is_left_where_writing_fails(tmp_path):
    with pytest.raises(RunError, match="cannot write"):
        write_sealed(tmp_path / "gone" / "a.safetensors", {"a": torch.ones(1)}, ABOUT)
    assert not list(tmp_path.iterdir())


def test_a_file_of_holes_is_refused_though_its_header_claims_them(tmp_path):
    """Its header claims 8 terabytes, and so many bytes it has: they would be read."""
    size = 2**43
    tensor = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
    header = json.dumps({"weight": tensor}).encode()
    path = tmp_path / "head.safetensors"
    with path.open("wb") as file:
        try:
            file.truncate(8 + len(header) + size)
        except OSError:
            pytest.skip("the file system has no files so large")
        file.write(struct.pack("<Q", len(header)) + header)
    with pytest.raises(RunError, match="must hold at most"):
        read_sealed(path)

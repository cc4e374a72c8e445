import os
import struct
import zipfile
from pathlib import Path

import pytest

from archives import write_zip
from tlf.builtin.shards import Shards
from tlf.builtin.shards.zip_file import inflated
from tlf.data.ranges import open_object
from tlf.errors import DataError, StorageError

IMAGES = {"a/1.jpg": b"1" * 50, "b/2.jpg": b"2" * 70}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))


def problem(path):
    with pytest.raises(DataError) as caught:
        Shards(str(path)).labelled(None)
    return str(caught.value)


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_at_their_place(tmp_path, how):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", how) as archive:
        archive.mkdir("a")
        for name, data in IMAGES.items():
            info = zipfile.ZipInfo(name)
            info.extra = struct.pack("<HH4s", 0x7875, 4, b"more")  # its place is behind it
            archive.writestr(info, data, how)
    found = Shards(str(path)).labelled(None).images
    assert [found.read(i) for i in range(2)] == list(IMAGES.values())


def test_members_that_are_no_plain_file_inside(tmp_path):
    path = tmp_path / "a.zip"
    assert "must have a path inside the archive" in problem(write_zip(path, {"../a.jpg": b"1"}))
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("a/1.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "b.jpg")
    assert "'a/1.jpg' is a link" in problem(path)
    write_zip(path, IMAGES, zipfile.ZIP_LZMA)
    assert "is neither stored nor deflated; write it again with zip -0" in problem(path)


def test_an_encrypted_member(tmp_path):
    path = tmp_path / "a.zip"
    data = bytearray(Path(write_zip(path, IMAGES)).read_bytes())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.find(mark) + at] |= 1
    path.write_bytes(data)
    assert "'a/1.jpg' is encrypted; write it again without a password" in problem(path)


def test_an_archive_that_was_cut_or_is_damaged(tmp_path):
    path = tmp_path / "a.zip"
    whole = Path(write_zip(path, IMAGES)).read_bytes()
    path.write_bytes(whole[:-30])
    assert "is cut or damaged (File is not a zip file)" in problem(path)
    path.write_bytes(whole.replace(b"1" * 50, b"3" * 50))
    assert "is cut or damaged (Bad CRC-32" in problem(path)
    path.write_bytes(Path(write_zip(path, {})).read_bytes())
    assert "must hold images, got none" in problem(path)


def test_members_that_claim_more_than_there_is(tmp_path):
    path = tmp_path / "a.zip"
    data = bytearray(Path(write_zip(path, {"a/1.jpg": os.urandom(99)})).read_bytes())
    at = data.find(b"PK\1\2")
    data[at + 20 : at + 24] = struct.pack("<L", 10**6)
    path.write_bytes(data)
    assert "its members claim more bytes than it has" in problem(path)


def test_a_member_that_would_unpack_to_more(tmp_path):
    path = tmp_path / "a.zip"
    data = bytearray(Path(write_zip(path, {"a/1.jpg": bytes(10**6)}, 8)).read_bytes())
    at = data.find(b"PK\1\2")
    data[at + 24 : at + 28] = struct.pack("<L", 100)
    path.write_bytes(data)
    assert "is cut or damaged (Bad CRC-32" in problem(path)
    deflated = data[30 + len("a/1.jpg") : at]
    for packed in (bytes(deflated), b"\xff" * 9):
        with pytest.raises(StorageError, match=r"of .*a\.zip are not those .* touch the file"):
            inflated(open_object(str(path)), packed, 100)


def test_an_image_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr("tlf.builtin.shards.samples.MOST_BYTES", 60)
    assert "b/2.jpg: an image must have at most 60 bytes, got 70" in problem(
        write_zip(tmp_path / "a.zip", IMAGES)
    )

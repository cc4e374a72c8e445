import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from archives import entry, write_tar
from tlf.builtin.shards.tar import tar_members
from tlf.data.ranges import open_object
from tlf.errors import DataError

LONG = "a/" + "é" * 150 + ".jpg"


def members(path):
    return list(tar_members(open_object(str(path))))


def problem(path):
    with pytest.raises(DataError) as caught:
        members(path)
    return str(caught.value)


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_places_of_members_with_long_names_too(tmp_path, kind):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=kind) as archive:
        archive.addfile(*[entry("./", tarfile.DIRTYPE)[0]])
        for name, data in (("./a/1.jpg", b"one"), (LONG, b"two")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, BytesIO(data))
    source = open_object(str(path))
    found = list(tar_members(source))
    assert [member.name for member in found] == ["a/1.jpg", LONG]
    assert [source.read(*member.place[:2]) for member in found] == [b"one", b"two"]


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("../a.jpg", b"1"), "must have a path inside the archive, got '../a.jpg'"),
        (("a/../../b.jpg", b"1"), "must have a path inside the archive"),
        (("/etc/a.jpg", b"1"), "must have a path inside the archive, got '/etc/a.jpg'"),
        (entry("a.jpg", tarfile.SYMTYPE, "b.jpg"), "'a.jpg' is a link; write it again with tar"),
        (entry("a.jpg", tarfile.LNKTYPE, "b.jpg"), "'a.jpg' is a link"),
        (entry("a.jpg", tarfile.CHRTYPE), "'a.jpg' is no plain file"),
        (entry("a.jpg", tarfile.BLKTYPE), "'a.jpg' is no plain file"),
        (entry("a.jpg", tarfile.FIFOTYPE), "'a.jpg' is no plain file"),
        (entry("a.jpg", b"Z"), "'a.jpg' is no plain file"),
        (entry("../up", tarfile.DIRTYPE), "must have a path inside the archive"),
    ],
)
def test_members_that_are_no_plain_file_inside(tmp_path, member, message):
    assert message in problem(write_tar(tmp_path / "a.tar", [("0.jpg", b"0"), member]))


def test_a_sparse_file(tmp_path):
    info, _ = entry("a.jpg", tarfile.GNUTYPE_SPARSE)
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    (tmp_path / "a.tar").write_bytes(bytes(block) + bytes(1024))
    assert "'a.jpg' is a sparse file; write it again without --sparse" in problem(
        tmp_path / "a.tar"
    )


def test_an_archive_that_was_cut_anywhere(tmp_path):
    whole = Path(
        write_tar(tmp_path / "a.tar", {f"{n}.jpg": bytes([n + 1] * 600) for n in range(3)})
    ).read_bytes()
    end = 3 * (512 + 1024)
    for length in (1, 300, 512, 700, 1112, 1535, 1536, 1700, end - 512, end, end + 100):
        (tmp_path / "b.tar").write_bytes(whole[:length])
        assert "cut" in problem(tmp_path / "b.tar"), length
    (tmp_path / "b.tar").write_bytes(whole[: end + 512])
    assert len(members(tmp_path / "b.tar")) == 3  # a lone block of zeros marks the end, too


def test_damaged_headers_and_what_follows_the_end(tmp_path):
    path = tmp_path / "a.tar"
    write_tar(path, {"0.jpg": b"0", "1.jpg": b"1"})
    whole = bytearray(path.read_bytes())
    path.write_bytes(whole + whole)
    assert "holds more behind its end mark at byte 2,048" in problem(path)
    whole[1024] ^= 1
    path.write_bytes(whole)
    assert "is cut or damaged at byte 1,024" in problem(path)
    path.write_bytes(b"no archive at all" * 100)
    assert "is cut or damaged at byte 0" in problem(path)


def header(size, kind=b"0"):
    """A header with any size, whose checksum is right."""
    block = bytearray(entry("a.jpg", kind)[0].tobuf(tarfile.GNU_FORMAT))
    block[124:136] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (header(b"\xff" * 12), "is cut or damaged"),
        (header(b"\x80" + b"\x01" * 11), "cut"),
        (header(b"00040000000\0", b"L") + bytes(2**23 + 512), "claims 8,388,608 bytes"),
        (header(b"00000000001\0", b"L") + b"a" * 512, "is cut or damaged"),
        ((header(b"00000000001\0", b"L") + b"a" * 512) * 3000, "is cut or damaged"),
    ],
    ids=["negative", "huge", "long name", "name alone", "nested"],
)
def test_headers_that_lie(tmp_path, block, message):
    (tmp_path / "a.tar").write_bytes(header(b"00000000000\0") + block + bytes(1024))
    assert message in problem(tmp_path / "a.tar")

"""A stand-in for the hub's storage of large files: a folder, in which hf_xet itself cuts files into
chunks, as it does for the storage of the hub. No part of the protocol but its tokens is imitated.
"""

import struct
import time
from pathlib import Path

HEADER = 48
RECORD = 48
END = b"\xff" * 32
HAS_CHECKS, HAS_SHA256 = 1 << 31, 1 << 30


class XetStorage:
    """A folder that hf_xet reads and writes."""

    def __init__(self, folder):
        self.folder = Path(folder)

    @property
    def token(self):
        """What the hub answers, by which a client finds the storage."""
        about = {"casUrl": f"local://{self.folder}", "accessToken": "of-tests",
                 "exp": int(time.time()) + 3600}  # fmt: skip
        names = {"casUrl": "X-Xet-Cas-Url", "accessToken": "X-Xet-Access-Token",
                 "exp": "X-Xet-Token-Expiration"}  # fmt: skip
        return about, {header: str(about[name]) for name, header in names.items()}

    def files(self):
        """SHA-256 → the hash of hf_xet, and bytes: of each file that was uploaded."""
        shards = self.folder.glob("xet/xorbs/shards/*.mdb")
        return {sha256: about for shard in shards for sha256, *about in entries(shard.read_bytes())}

    def read(self, sha256):
        """The content of a file that was uploaded."""
        from hf_xet import XetFileInfo, XetSession

        path = self.folder / sha256
        about, _ = self.token
        with XetSession().new_file_download_group(
            endpoint=about["casUrl"],
            token=about["accessToken"],
            token_expiry_unix_secs=about["exp"],
        ) as group:
            group.start_download_file(XetFileInfo(*self.files()[sha256]), str(path))
        return path.read_bytes()


def entries(shard):
    """SHA-256, hash of hf_xet, bytes: of each file that a shard describes."""
    place = HEADER
    while shard[place : place + 32] != END:
        flags, parts = struct.unpack_from("<II", shard, place + 32)
        found = as_hex(shard[place : place + 32])
        sizes = [struct.unpack_from("<I", shard, place + RECORD * k + 36)[0]
                 for k in range(1, parts + 1)]  # fmt: skip
        place += RECORD * (1 + parts * (2 if flags & HAS_CHECKS else 1))
        if flags & HAS_SHA256:
            yield as_hex(shard[place : place + 32]), found, sum(sizes)
            place += RECORD


def as_hex(data):
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", data))

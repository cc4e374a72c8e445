"""Encoded images that several test files need."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, features


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """An image of random values, the same for the same size."""
    rng = np.random.default_rng(width * 1000 + height)
    shape = (height, width) if mode == "L" else (height, width, len(mode))
    return Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def rotated(orientation: int, kind: str = "JPEG", **options: object) -> bytes:
    """An image file that says which way is up."""
    if kind == "TIFF":
        return encoded(noise(61, 40), kind, tiffinfo={0x0112: orientation}, **options)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(noise(61, 40), kind, exif=exif, **options)


def xmp(orientation: int) -> bytes:
    """XMP metadata that says which way is up."""
    return f'<x:xmpmeta><rdf:li tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()


def _exif_six() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


def _png_ending_with(chunk: bytes, content: bytes) -> bytes:
    """A PNG with a chunk after its pixels, where Pillow reads it too."""
    whole = encoded(noise(61, 40), "PNG")
    body = chunk + content
    end = len(whole) - 12
    piece = struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
    return whole[:end] + piece + whole[end:]


_RAW = b"\nexif\n" + b"%8d\n" % len(_exif_six()) + _exif_six().hex().encode()
LATE = {
    "eXIf": _png_ending_with(b"eXIf", _exif_six().removeprefix(b"Exif\0\0")),
    "text": _png_ending_with(b"tEXt", b"Raw profile type exif\0" + _RAW),
    "packed text": _png_ending_with(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(_RAW)),
    "XMP": _png_ending_with(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6)),
    "packed XMP": _png_ending_with(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp(6))),
}
"""PNG files of 61 × 40 pixels that say after their pixels that they are to be rotated by 90°."""
TURNING = ["JPEG", "PNG", "TIFF", "WEBP", *(["AVIF"] if features.version("avif") else [])]
"""The formats whose files say which way is up."""

"""HEIC files, as phones write them: by pillow-heif, an extra."""

from typing import TYPE_CHECKING

from tlf.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")


def is_heic(data: bytes) -> bool:
    """Whether a file that Pillow cannot read is a HEIC by its first bytes."""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def open_heic(data: bytes) -> "Image.Image":
    """The image in a HEIC file, whose header is read. libheif applies its orientation.

    Raises:
        DataError: pillow-heif is not installed.
    """
    from io import BytesIO

    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise DataError("HEIC is read by pillow-heif; write pip install 'tlf[heic]'") from error
    # Not registered with Pillow: installing a package changes no other program's images.
    image: Image.Image = HeifImageFile(BytesIO(data))
    return image

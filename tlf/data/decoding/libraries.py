"""The libraries that decode, and their versions: other ones may give other pixels."""

from functools import cache

_CODECS = ("jpg", "libjpeg_turbo", "jpg_2000", "libtiff", "webp", "avif", "zlib", "zlib_ng")
"""The libraries that Pillow decodes with, by its names; each build may have other versions."""

_OTHERS = ("pillow-heif", "tifffile", "imagecodecs", "torchvision", "torchcodec")
"""Packages that read formats which Pillow does not, or that a recipe may choose. Without the
former, files are unreadable."""


def decoders() -> dict[str, object]:
    """What decoding depends on beside its arguments and tlf's code, as JSON: the versions of the
    libraries that decode, and Pillow's global settings, which a program may have changed.
    """
    from PIL import Image, ImageFile, features

    return {
        "pillow": installed("pillow"),
        "numpy": installed("numpy"),
        "codecs": {name: features.version(name) for name in _CODECS},
        "others": {name: installed(name) for name in _OTHERS},
        "most pixels": Image.MAX_IMAGE_PIXELS,
        "truncated": ImageFile.LOAD_TRUNCATED_IMAGES,
    }


@cache
def installed(name: str) -> str | None:
    """The version of a package; None where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None

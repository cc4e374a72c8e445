"""A JPEG may go over its image only so often."""

import pytest
from PIL import Image

from image_files import encoded, noise
from tlf.data.decoding.decode import open_image
from tlf.data.decoding.scans import check_scans
from tlf.errors import DataError

END = b"\xff\xd9"
REFUSED = r"a JPEG may have at most 100 scans, got 1[23]\d; save it anew"


def with_scans(more, *, progressive):
    """A JPEG whose last scan is there again and again."""
    data = encoded(noise(40, 30), "JPEG", progressive=progressive)
    assert data.endswith(END)
    return data[:-2] + more * data[data.rindex(b"\xff\xda") : -2] + END


@pytest.mark.parametrize("progressive", [True, False])
def test_many_scans_are_refused_in_every_kind_of_jpeg(progressive):
    with pytest.raises(DataError, match=REFUSED):
        check_scans(with_scans(125, progressive=progressive))


def test_empty_scans_of_a_baseline_jpeg_are_counted():
    """libjpeg goes over the image for each of them, if they are of one channel."""
    data = encoded(noise(40, 30), "JPEG")
    scans = b"".join(
        b"\xff\xda\x00\x08\x01" + bytes([channel, 0]) + b"\x00\x3f\x00" for channel in (1, 2, 3)
    )
    with pytest.raises(DataError, match=REFUSED):
        check_scans(data[: data.index(b"\xff\xda")] + 40 * scans + END)


def test_a_usual_number_of_scans_is_decoded():
    assert open_image(with_scans(80, progressive=True)).size == (40, 30)


def test_what_is_in_a_segment_or_behind_the_image_is_no_scan():
    """A thumbnail and a film of a telephone have bytes of their own."""
    data = encoded(noise(40, 30), "JPEG", progressive=True)
    inside = b"\xff\xda" * 200
    segment = b"\xff\xe5" + (len(inside) + 2).to_bytes(2) + inside
    check_scans(data[:2] + segment + data[2:] + inside)
    image = Image.effect_noise((300, 300), 80)
    check_scans(encoded(image, "JPEG", restart_marker_blocks=1) + inside)

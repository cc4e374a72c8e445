"""Which libraries decode, and that their versions are known."""

import json

from PIL import Image

from tlf.data.decoding import libraries
from tlf.data.decoding.libraries import decoders, installed


def test_what_decoding_depends_on_is_json():
    found = decoders()
    assert json.loads(json.dumps(found)) == found
    assert found["most pixels"] == Image.MAX_IMAGE_PIXELS
    assert {"jpg", "zlib"} <= found["codecs"].keys()


def test_a_package_that_is_not_installed_has_no_version():
    assert installed("numpy")
    assert installed("no-such-package") is None


def test_to_install_an_extra_changes_what_decoding_depends_on(monkeypatch):
    before = decoders()
    monkeypatch.setattr(libraries, "installed", lambda name: None)
    assert decoders()["others"] == dict.fromkeys(before["others"])
    monkeypatch.setattr(libraries, "installed", lambda name: f"{name} 1")
    assert decoders()["others"]["pillow-heif"] == "pillow-heif 1"

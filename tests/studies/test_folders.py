"""Where the files of a study go."""

from pathlib import Path

from tlf.studies.folders import default_folder


def test_a_folder_without_a_name_has_one():
    assert default_folder("curves", "/") == Path("curves/study")

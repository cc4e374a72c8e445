"""The files of a study. Each study's own: test_page.py and test_files.py of its room."""

import json

import pytest

from tlf.reports.panel import Panel
from tlf.runtime.files import write_whole
from tlf.studies.study_files import StudyFiles


@pytest.fixture
def files():
    panels = [Panel("found", "Found", "<p>Nothing.</p>")]
    return StudyFiles("probe", {"format": 1}, "Backbones of <b>", "2 images", panels, ["<i>few"])


def test_both_are_written_and_notes_come_last(files, tmp_path):
    page = files.write(tmp_path)
    assert page == tmp_path / "probe.html"
    assert json.loads((tmp_path / "probe.json").read_text()) == {"format": 1}
    html = page.read_text()
    assert "Backbones of &lt;b&gt;" in html
    assert "&lt;i&gt;few" in html
    assert html.index('id="found"') < html.index('id="notes"')


def test_a_new_folder_is_whole_or_not_there(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert files.write_new("probes", "a/mine.toml", None) == tmp_path / "probes" / "mine"
    assert files.write_new("probes", "a/mine.toml", None) == tmp_path / "probes" / "mine-2"

    def full(path, text):
        write_whole(path, text)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tlf.studies.study_files.write_whole", full)
    with pytest.raises(Exception, match="No space left"):
        files.write_new("probes", "other", tmp_path / "full")
    assert not (tmp_path / "full").exists()

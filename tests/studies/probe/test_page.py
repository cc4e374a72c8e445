"""The files of a study."""

import json

from probed_backbones import PROBED
from tlf.studies.probe.page import write_probe


def test_the_folder_holds_a_page_and_the_figures(tmp_path):
    folder = write_probe(PROBED, tmp_path / "found")
    assert sorted(path.name for path in folder.iterdir()) == ["probe.html", "probe.json"]
    assert json.loads((folder / "probe.json").read_text())["source"] == "my/images"
    page = (folder / "probe.html").read_text(encoding="utf-8")
    assert "timm/&lt;large&gt;" in page
    assert "<large>" not in page
    assert "the first is better by 26.4 points [19.6, 33.3]" in page
    assert "Not probed: <bdi>timm/gone</bdi>" in page
    assert "class &#39;flies&#39; was left out" in page
    assert 'id="stages"' in page
    assert write_probe(PROBED, tmp_path / "found").name == "found-2"


def test_without_stages_and_notes_there_is_one_panel(tmp_path):
    plain = type(PROBED)(**{**vars(PROBED), "backbones": PROBED.backbones[1:2], "notes": ()})
    page = (write_probe(plain, tmp_path / "x") / "probe.html").read_text(encoding="utf-8")
    assert 'id="stages"' not in page
    assert 'id="notes"' not in page

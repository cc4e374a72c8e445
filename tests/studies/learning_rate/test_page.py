"""The files of a study."""

import json
from dataclasses import replace

from rates_found import FOUND
from tlf.studies.learning_rate.page import write_learning_rates


def test_the_folder_holds_a_page_and_the_figures(tmp_path):
    folder = write_learning_rates(FOUND, tmp_path / "found")
    assert sorted(path.name for path in folder.iterdir()) == ["lr.html", "lr.json"]
    assert json.loads((folder / "lr.json").read_text())["source"] == "my/recipe.toml"
    page = (folder / "lr.html").read_text(encoding="utf-8")
    assert "Phase &lt;head&gt;" in page
    assert "<head>:" not in page
    assert "0.1 is better by 26.4 points [19.6, 33.3]" in page
    assert "lr = { head = 0.00032, layer4 = 3.2e-05 }" in page
    assert "The curve is flat" in page
    assert "class &#39;flies&#39; is small" in page
    assert write_learning_rates(FOUND, tmp_path / "found").name == "found-2"
    odd = replace(FOUND, phases=[replace(one, phase="\x1b[31m") for one in FOUND.phases])
    page = write_learning_rates(odd, tmp_path / "odd") / "lr.html"
    assert "\x1b" not in page.read_text(encoding="utf-8")

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from places import ROOT
from tlf.simulator.page import FOLDER, IMPORT, joined_script, simulator_page

EVIL = "</script><script>alert(1)</script>&\u2028"
SCENE = {
    "title": EVIL, "backbone": EVIL, "weights": EVIL, "head": EVIL, "classes": [EVIL], "size": 32,
    "train": [], "eval": [], "notes": [EVIL], "device": EVIL, "presets": [],
}  # fmt: skip
EXAMPLE = ROOT / "recipes" / "resnet18_finetune.html"
BIOME = os.environ.get("BIOME") or shutil.which("biome")


def policy_of(html):
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    return policy.replace("&#39;", "'")


def test_what_the_page_shows_cannot_end_the_element_that_it_stands_in():
    html = simulator_page(SCENE, EVIL, {"command": EVIL, "records": {}})
    assert "<script>alert" not in html
    (scene,) = re.findall(r'<script type="application/json" id="scene">(.*?)</script>', html)
    assert json.loads(scene) == SCENE


def test_the_live_page_may_ask_its_server_and_the_saved_page_nobody():
    live, saved = simulator_page(SCENE, ""), simulator_page(SCENE, "", {"records": {}})
    assert "connect-src 'self'" in policy_of(live)
    assert 'id="recordings"' not in live
    assert "connect-src 'none'" in policy_of(saved)
    for html in (live, saved):
        assert policy_of(html).startswith("default-src 'none'; script-src 'sha256-")
        assert not re.search(r'(?:src|href)="(?!#)', html)


def test_modules_are_joined_each_after_those_that_it_imports():
    script = joined_script()
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
    assert script.index('modules["settings.js"] =') < script.index('modules["recorded.js"] =')
    assert 'const { createStore } = modules["store.js"];' in script
    assert script.index("return { isBroken, createStore };") < script.index('modules["app.js"] =')


def test_every_module_is_in_the_page():
    modules = [one for one in FOLDER.iterdir() if one.name.endswith(".js")]
    imported = {other for one in modules for _, other in IMPORT.findall(one.read_text())}
    assert imported | {"app.js"} == {one.name for one in modules}


def test_the_recorded_example_is_what_this_page_makes_of_its_recording():
    text = EXAMPLE.read_text(encoding="utf-8")
    scene, recordings = (
        json.loads(
            re.findall(rf'<script type="application/json" id="{id}">(.*?)</script>', text)[0]
        )
        for id in ("scene", "recordings")
    )
    made = simulator_page(scene, recordings["command"], recordings)
    assert made == text, f"write it anew: {recordings['command']} --save recipes/{EXAMPLE.name}"
    assert len(text.encode()) < 1_000_000
    assert str(Path.home()) not in text


@pytest.mark.skipif(BIOME is None, reason="biome is not installed: npm install @biomejs/biome")
def test_scripts_and_style_sheets_are_formatted_and_linted():
    done = subprocess.run(
        [BIOME, "check", "--error-on-warnings"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

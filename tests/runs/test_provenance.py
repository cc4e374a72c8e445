"""provenance.json: where a run's results come from."""

import hashlib
import json
import re
import subprocess
import sys

import torch

import tlf as package
from tlf.runs.provenance import _git_revision


def test_it_has_versions_plugins_images_and_hashes(finished, images):
    found = json.loads((finished / "provenance.json").read_text())
    assert found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert found["versions"]["tlf"] == package.__version__
    assert found["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert [plugin["name"] for plugin in found["plugins"]] == ["tlf"]
    assert found["images"] == {"train": 20, "eval": 11}
    assert len(found["backbone_sha256"]) == 64
    assert found["hardware"]["device"].startswith("CPU")
    assert found["precision"] == "no"
    assert {"git_revision", "notes"} <= found.keys()
    total = hashlib.sha256()
    for label, name in enumerate(("circles", "squares")):
        for path in sorted((images / "val" / name).iterdir()):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"val/{name}/{path.name}\t{label}\t{content}\n".encode())
    assert found["data_sha256"]["eval"] == total.hexdigest()
    assert found["data_sha256"]["train"] != total.hexdigest()


def test_the_git_revision_is_that_of_the_recipes_folder(tmp_path):
    assert _git_revision(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "recipe.toml").write_text("seed = 1")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "a"], check=True)
    clean = _git_revision(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", clean)
    (tmp_path / "recipe.toml").write_text("seed = 2")
    assert _git_revision(tmp_path) == f"{clean}-dirty"


def test_without_git_there_is_no_revision(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _git_revision(tmp_path) is None

"""A run on the hub: what is there, what it gives when it is loaded back, and what may fail."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import torch
import yaml

import tlf as package
from cards import code_of
from hub_server import TOKEN, Repository, hub, use_hub
from small import needs_onnx
from tlf.errors import RunError, WeightsError
from tlf.inference.predictions import read_predictions
from tlf.publishing.facts import read_facts
from tlf.publishing.hub import staging
from xet_storage import XetStorage

pytestmark = pytest.mark.filterwarnings(  # huggingface_hub gives its network library old options
    "ignore:Use 'content=:DeprecationWarning"
)

FILES = {
    "README.md", "config.json", "evaluation.json", "head.safetensors", "metrics.jsonl",
    "model.safetensors", "provenance.json", "recipe.toml", "segments.jsonl",
}  # fmt: skip


def eval_images(images):
    return sorted(map(str, (images / "val").rglob("*.jpg")))


def test_the_files_are_there_and_say_nothing_of_this_computer(pushed, on_hub, images, finished):
    there = on_hub.repositories["me/my_shapes"]
    assert {*there.files} - {".gitattributes"} == FILES == {*pushed.files}
    assert (there.commits[-1][0], pushed.url) == (pushed.commit, f"{on_hub.url}/me/my_shapes")
    assert len(there.commits) == 2  # all files came in one commit
    for name, data in there.files.items():
        for private in (images, finished.parent, "val/circles"):
            assert str(private).encode() not in data, name
    about = json.loads(there.files["provenance.json"])
    assert (about["images"], "machine" in about["hardware"]) == ({"train": 20, "eval": 11}, False)


def test_tlf_gives_the_same_predictions_to_the_bit(pushed, images, finished, capsys):
    files = eval_images(images)
    ours = [*package.predict(finished, files)]
    capsys.readouterr()
    theirs = [*package.predict(f"hf-hub:me/my_shapes@{pushed.commit}", files)]
    assert [dict(one.probabilities) for one in theirs] == [dict(one.probabilities) for one in ours]
    err = capsys.readouterr().err
    assert "fetching hf-hub:me/my_shapes" in err
    assert f"hf-hub:me/my_shapes is at commit {pushed.commit}\n" in err


def test_timm_gives_the_same_predictions(pushed, images, finished):
    import timm
    from PIL import Image

    model = timm.create_model("hf-hub:me/my_shapes", pretrained=True).eval()
    how = timm.data.resolve_model_data_config(model)
    prepare = timm.data.create_transform(**how, is_training=False)
    table = read_predictions(finished / "predictions.csv")
    batch = torch.stack([prepare(Image.open(images / name)) for name in table.names])
    with torch.inference_mode():
        found = model(batch).softmax(1)
    assert torch.allclose(found, torch.from_numpy(table.probabilities).float(), atol=1e-5)
    assert model.pretrained_cfg["label_names"] == ["circles", "squares"]


def test_the_code_of_the_card_runs_as_pasted(pushed, on_hub, images, finished, tmp_path):
    blocks = code_of(on_hub.repositories["me/my_shapes"].files["README.md"].decode())
    assert len(blocks) == 3  # with tlf, in torch, the head in NumPy
    image = eval_images(images)[0]
    shutil.copy(image, tmp_path / "image.jpg")
    expected = package.load_classifier(finished).predict(image).probabilities
    own, torch_, _ = [printed(block, tmp_path) for block in blocks]
    assert own.endswith(f"{dict(expected)}\n")
    found = yaml.safe_load(torch_)
    assert found == pytest.approx(dict(expected), abs=1e-5)


def printed(block, folder):
    out = StringIO()
    with chdir(folder), redirect_stdout(out):
        exec(compile(block, "README.md", "exec"), {})
    return out.getvalue()


def test_training_may_start_from_it(pushed):
    from tlf.builtin.backbones import Timm

    built = Timm("test_resnet", "hf-hub:me/my_shapes").build()
    assert (built.preprocessing.size, built.preprocessing.resize) == (32, 36)


def test_what_exists_is_not_changed_unasked(pushed, on_hub, finished):
    before = len(on_hub.repositories["me/my_shapes"].commits)
    with pytest.raises(RunError, match=r"me/my_shapes exists; write --overwrite .* Nothing was p"):
        package.push(finished, "me/my_shapes", licence="mit")
    with pytest.raises(RunError, match="is seen by everybody, and --private asks for the opposite"):
        package.push(finished, "me/my_shapes", licence="mit", private=True, overwrite=True)
    assert len(on_hub.repositories["me/my_shapes"].commits) == before


def test_old_files_of_another_model_are_removed(on_hub, finished, staged):
    there = on_hub.repositories["me/old"] = Repository(private=True)
    there.commit({"model.onnx": b"old", "notes.txt": b"mine"})
    package.push(finished, "me/old", licence="mit", overwrite=True)
    assert {*there.files} == {"README.md", "model.safetensors", "notes.txt"}
    assert there.private


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """A hub whose large files go by hf_xet, and what it stores."""
    pytest.importorskip("hf_xet")
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "chunks"))
    storage = XetStorage(tmp_path / "storage")
    with hub(storage) as server:
        use_hub(monkeypatch, server.url, tmp_path / "hub", xet=True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server, storage


def test_large_files_go_by_hf_xet_where_it_is_installed_in_one_commit_too(
    storage, finished, staged, tmp_path
):
    from huggingface_hub import hf_hub_download

    server, stored = storage
    pushed = package.push(finished, "me/chunks", licence="mit")
    there = server.repositories["me/chunks"]
    assert [oid for oid, _ in there.commits[1:]] == [pushed.commit]
    assert there.files["model.safetensors"] == b"0" * 200_000
    assert len(stored.files()) == 1
    assert not any(path.startswith("/large/") for _, path, _ in server.requests)
    fetched = hf_hub_download("me/chunks", "model.safetensors")  # by hf_xet as well
    assert Path(fetched).read_bytes() == b"0" * 200_000
    assert not any(path.startswith("/large/") for _, path, _ in server.requests)


def test_a_storage_that_refuses_leaves_an_empty_repository(storage, finished, staged):
    server, _ = storage
    server.faults = {"GET /api/models/me/refused/xet-write-token": 403}
    with pytest.raises(RunError, match=r"pushing to .*403.* holds all of the files now, or none"):
        package.push(finished, "me/refused", licence="mit")
    assert {*server.repositories["me/refused"].files} == {".gitattributes"}


def test_what_is_asked_for_is_checked_before_the_network(on_hub, finished, monkeypatch):
    asked = len(on_hub.requests)
    with pytest.raises(RunError, match=r"--repo must be user/name, got 'ants': it has no owner"):
        package.push(finished, "ants")
    with pytest.raises(RunError, match=r"must be known, got none: .*random weights.* --licence"):
        package.push(finished, "me/ants")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RunError, match="HF_HUB_OFFLINE forbids the network"):
        package.push(finished, "me/ants")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(RunError, match="needs a token, got none; log in with: hf auth login, or"):
        package.push(finished, "me/ants")
    with pytest.raises(RunError, match="nowhere is not the folder of a run"):
        package.push(finished / "nowhere", "me/ants")
    assert len(on_hub.requests) == asked


def test_where_only_tlf_loads_the_model_it_says_so(finished, monkeypatch):
    def export(run, to, output):
        raise WeightsError("timm computes something else")

    monkeypatch.setattr(staging, "export", export)
    assert staging._verified_loader(read_facts(finished)).reason == "timm computes something else"


@needs_onnx
@pytest.mark.slow
def test_a_user_pushes_and_others_use_it(tlf, finished, images, tmp_path):
    """In processes of their own, as the command line: with ONNX, and every block of the card."""
    with hub() as server:
        own = {"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "a")}
        command = ("export", finished, "--to", "hub", "--repo", "me/shapes", "--onnx")
        refused = tlf(*command, "--licence", "mit", **own)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        done = tlf(*command, "--licence", "mit", HF_TOKEN=TOKEN, **own)
        assert done.returncode == 0, done.stderr
        assert f"MB to {server.url}/me/shapes, seen by everybody:" in done.stderr
        assert "model.onnx" in done.stderr
        others = own | {"HF_HOME": str(tmp_path / "b")}
        image = eval_images(images)[0]
        shutil.copy(image, tmp_path / "image.jpg")
        here = tlf("predict", finished, image, "--format", "jsonl").stdout
        there = tlf("predict", "hf-hub:me/shapes", image, "--format", "jsonl", **others).stdout
        assert json.loads(there) == json.loads(here)
        expected = json.loads(here)["probabilities"]
        blocks = code_of(server.repositories["me/shapes"].files["README.md"].decode())
        assert len(blocks) == 4
        for number in (1, 3):
            code = subprocess.run(
                [sys.executable, "-c", blocks[number]], cwd=tmp_path, capture_output=True,
                text=True, check=True, env={**os.environ, **others},
            )  # fmt: skip
            assert yaml.safe_load(code.stdout) == pytest.approx(expected, abs=1e-4)

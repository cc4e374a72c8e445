"""Which weights are at hand."""

from urllib.error import URLError

import pytest
import torch

from tlf.first_recipe import weights
from tlf.first_recipe.weights import STARTER, weights_at_hand
from tlf.pretrained.published import torchvision_weights


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What is said; no weights are on the disk, and no network answers."""
    monkeypatch.setenv("TLF_PLUGINS", "0")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)

    def urlopen(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr(weights, "urlopen", urlopen)
    return []


def test_without_any_the_small_ones_with_a_warning(told):
    assert weights_at_hand(told.append) == STARTER
    assert "pip install" in STARTER.warning
    assert "asking whether https://download.pytorch.org" in told[0]
    assert told[1] == "it does not answer: <urlopen error no network>"


def test_published_ones_where_the_network_answers(told, monkeypatch):
    class Answer:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(weights, "urlopen", lambda request, timeout: Answer())
    assert dict(weights_at_hand(told.append).table)["weights"] == "IMAGENET1K_V1"


def test_those_of_torchvision_on_the_disk_come_first_and_nothing_is_asked(told, tmp_path):
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    for model in ("resnet18", "resnet50"):
        url = torchvision_weights(model)["IMAGENET1K_V1"].url
        (folder / url.rpartition("/")[2]).touch()
    found = weights_at_hand(told.append)
    assert dict(found.table) == {
        "kind": "torchvision", "model": "resnet50", "weights": "IMAGENET1K_V1",
    }  # fmt: skip
    assert str(folder) in found.why
    assert not told


def test_those_of_timm_on_the_disk(told, monkeypatch):
    def cached(repository, file):
        return f"/cache/{file}" if repository == "timm/resnet50.a1_in1k" else None

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", cached)
    table = dict(weights_at_hand(told.append).table)
    assert table == {"kind": "timm", "model": "resnet50", "weights": "a1_in1k"}
    assert not told


def test_those_of_an_installed_plugin(told, monkeypatch):
    class Entry:
        name = "efficientnet-lite"

    monkeypatch.setattr(weights, "used_entries", lambda: [Entry])
    monkeypatch.setattr(weights, "find_spec", lambda name: name)
    assert dict(weights_at_hand(told.append).table) == {"kind": "efficientnet-lite:lite0"}

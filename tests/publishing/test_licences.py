"""The licence of the weights that a run started from."""

import json
import tomllib

import pytest

from tlf.publishing.licences import find_licence, first_backbone

TIMM = {"kind": "timm", "model": "resnet18", "weights": "a1_in1k"}


@pytest.mark.parametrize(
    ("backbone", "name", "base"),
    [
        (TIMM, "apache-2.0", "timm/resnet18.a1_in1k"),
        (
            {**TIMM, "model": "resnet18.a1_in1k", "weights": "default"},
            "apache-2.0",
            "timm/resnet18",
        ),
        ({**TIMM, "weights": "fb_swsl_ig1b_ft_in1k"}, "cc-by-nc-4.0", "timm/resnet18.fb_swsl"),
        ({**TIMM, "weights": "none"}, "unknown", ""),
        ({**TIMM, "weights": "of_another_timm"}, "unknown", ""),
        ({**TIMM, "weights": "/data/net.safetensors"}, "unknown", ""),
        ({**TIMM, "weights": "starter"}, "apache-2.0", ""),
        ({"kind": "torchvision", "model": "resnet18", "weights": "DEFAULT"}, "unknown", ""),
        (
            {"kind": "torchvision", "model": "vit_b_16", "weights": "IMAGENET1K_SWAG_LINEAR_V1"},
            "cc-by-nc-4.0",
            "",
        ),
        ({"kind": "mine:net"}, "unknown", ""),
        ({}, "unknown", ""),
    ],
)
def test_who_publishes_weights_says_it(backbone, name, base):
    found = find_licence(backbone)
    assert found.name == name
    assert found.base_model.startswith(base)
    assert bool(found.base_model) == bool(base)
    assert found.reason.endswith((".", "LICENSE"))
    assert found.known == (name != "unknown")


def test_of_a_chain_of_runs_the_first_one_brought_the_weights():
    own, first = {**TIMM, "weights": "none"}, {**TIMM, "weights": "fb_swsl_ig1b_ft_in1k"}
    assert first_backbone(own, []) == own
    between = {"backbone": own, "started_from": [{"backbone": first, "started_from": []}]}
    assert first_backbone(own, [between]) == first
    assert find_licence(first_backbone(own, [between])).name == "cc-by-nc-4.0"


def test_a_first_run_of_an_earlier_tlf_is_asked_where_it_is_still_there(finished):
    recorded = json.loads((finished / "provenance.json").read_text())
    earlier = {"folder": str(finished), "recipe_sha256": recorded["recipe_sha256"]}
    own = tomllib.loads((finished / "recipe.toml").read_text())["backbone"]
    assert first_backbone(TIMM, [earlier]) == own
    assert first_backbone(TIMM, [earlier | {"recipe_sha256": "another"}]) == {}
    assert first_backbone(TIMM, [earlier | {"folder": "/not/there"}]) == {}


def test_a_first_run_that_is_not_recorded_has_no_known_licence():
    found = find_licence(first_backbone({**TIMM, "weights": "none"}, [{"key": "start_from"}]))
    assert not found.known
    assert found.reason == "Nobody has recorded which weights the first of its runs had."


def test_what_the_author_says_stands_beside_what_is_known():
    found = find_licence({**TIMM, "weights": "fb_swsl_ig1b_ft_in1k"}, "mit")
    assert (found.name, found.base_model) == ("mit", "timm/resnet18.fb_swsl_ig1b_ft_in1k")
    assert "Of the pretrained weights it is cc-by-nc-4.0" in found.reason


def test_a_repository_in_the_cache_is_read_and_no_other_is_asked(tmp_path, monkeypatch):
    weights = {**TIMM, "weights": "hf-hub:me/net@1"}
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert find_licence(weights).base_model == "me/net@1".partition("@")[0]
    assert not find_licence(weights).known
    snapshot = tmp_path / "models--me--net" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps({"pretrained_cfg": {"license": "MIT"}}))
    assert find_licence(weights).name == "mit"

"""A Lightning checkpoint of a vision transformer, fine-tuned at another size of images."""

import json
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file

import tlf
from small import write_recipe
from tlf.events import Notice

RECIPE = """
batch_size = 8
[transforms]
size = 48
[backbone]
kind = "timm"
model = "test_vit"
weights = "{weights}"
[[phases]]
name = "head"
freeze = "backbone"
epochs = 1
lr = 0.1
[[phases]]
name = "all"
epochs = 1
lr = 0.001
"""
RESIZED = (
    "pos_embed is resized from (1, 101, 64) to (1, 10, 64), for images of 48 pixels, as timm does "
    "it"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("lightning") / "LAST.CKPT"
    torch.manual_seed(2)
    own = timm.create_model("test_vit", num_classes=7).half().state_dict()
    mean = {name: tensor * 0.5 for name, tensor in own.items()}
    tensors = {f"model._orig_mod.{name}": tensor for name, tensor in own.items()}
    tensors |= {f"ema.module.{name}": tensor for name, tensor in mean.items()}
    tensors["loss.weight"] = torch.ones(7)
    about = {"epoch": 3, "global_step": 9, "pytorch-lightning_version": "2.5", "callbacks": {}}
    torch.save(about | {"state_dict": tensors}, path)
    return path


def test_a_run_goes_from_a_checkpoint_to_timms_own_model(checkpoint, images, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", images, RECIPE.format(weights=checkpoint))
    mean = (
        "the backbone takes the file's tensors under 'state_dict.ema.module'; those under "
        "'state_dict.model._orig_mod' fit, too: backbone.weights_key chooses; "
        "1 left out: loss.weight"
    )
    assert list(tlf.explain(recipe).notes) == [mean, RESIZED]

    events = [*tlf.run(recipe, ["backbone.weights_key=model._orig_mod"])]
    told = [event.text for event in events if isinstance(event, Notice)]
    run = Path(events[-1].folder)
    stored = json.loads((run / "provenance.json").read_text())["notes"]
    own, resized = stored
    assert own.startswith("the backbone takes the file's tensors under 'state_dict.model._orig_mo")
    assert resized == RESIZED
    assert told[:2] == stored

    exported = tlf.export(run, "timm", tmp_path / "mine.safetensors")
    assert exported.difference < 5e-6
    module = timm.create_model("test_vit", num_classes=2, img_size=48).eval()
    module.load_state_dict(load_file(exported.path))
    classifier = tlf.load_classifier(run)
    pixels = classifier.prepare([images / "val/circles/000.jpg"])
    with torch.inference_mode():
        torch.testing.assert_close(module(pixels), classifier.model(pixels))

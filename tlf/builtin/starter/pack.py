"""Make the starter weights from the run that trained them.

python -m tlf.builtin.starter.pack runs/starter_pretraining
"""

import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tlf.pretrained.weights import STARTER
from tlf.runtime.files import written_whole

SIZE, RESIZE = 112, 128
"""What the weights are meant to be used at, in pixels: random crops show things larger than they
are, so that a network that trained on crops of 96 sees best at a little more.

Source: Touvron et al., 2019, arXiv:1906.06423.
"""


def pack(run: Path, path: Path) -> None:
    """Write the backbone of a run in float16, without its classifier."""
    source = run / "model.safetensors"
    with safe_open(source, framework="pt") as file:
        card = json.loads(file.metadata()["tlf"])
    tensors = {
        name: tensor.to(torch.float16) if tensor.is_floating_point() else tensor
        for name, tensor in load_file(source).items()
        if not name.startswith(f"{card['classifier']}.")
    }
    preprocessing = card["preprocessing"] | {"size": SIZE, "resize": RESIZE}
    del preprocessing["mode"]  # as many figures as there are channels say it, too
    origin = {"recipe": "recipes/starter_pretraining.toml", "metrics": card["metrics"]}
    metadata = {"preprocessing": json.dumps(preprocessing), "origin": json.dumps(origin)}
    with written_whole(path) as side:
        save_file(tensors, side, metadata=metadata)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), STARTER)

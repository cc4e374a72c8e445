"""Write the backbone of a finished run to a file of weights, as tlf's starter weights were made.

python -m tlf_formula.pack RUN FILE
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

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


def main() -> None:
    """Read the command line, and pack."""
    parser = argparse.ArgumentParser(
        prog="python -m tlf_formula.pack",
        description="Write the backbone of a finished run, in float16 and without its classifier.",
    )
    parser.add_argument("run", type=Path, help="the folder of the run")
    parser.add_argument("file", type=Path, help="the file to write, such as weights.safetensors")
    asked = parser.parse_args()
    pack(asked.run, asked.file)


if __name__ == "__main__":
    main()

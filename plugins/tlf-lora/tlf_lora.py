"""LoRA: the backbone is frozen, and small matrices beside its layers train.

Source: Hu et al. 2021, arXiv:2106.09685; the adapters are peft's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from tlf.components import BuiltBackbone
from tlf.hookspecs import hookimpl
from tlf.model import Classifier
from tlf.plugins.loading import load_plugins
from tlf.results import Progress

if TYPE_CHECKING:
    from torch import nn

_OWN = (".base_layer", ".lora_A.default", ".lora_B.default")
"""What peft adds to the names of a layer's parameters."""


@dataclass(frozen=True)
class Lora:
    """A network of timm or torchvision with adapters beside its layers.

    With ``freeze = "lora:base"``, only the adapters and the head train. At the end of a run the
    adapters are merged into the weights: its files hold the plain network.
    """

    model: str
    """The library's name for the architecture."""
    weights: str = "default"
    """Weights, as for the library's own backbone."""
    library: Literal["timm", "torchvision"] = "timm"
    """The library that the network comes from."""
    rank: int = 8
    """Rank of the adapters."""
    alpha: float = 16.0
    """The output of an adapter is multiplied by ``alpha / rank``."""
    dropout: float = 0.0
    """Probability that an input of an adapter is set to 0 in training."""
    layers: tuple[str, ...] = ()
    """Layers with adapters, by the ends of their names, such as ``attn.qkv``; empty: all layers."""

    def __post_init__(self) -> None:
        """Check the options."""
        if self.rank < 1:
            raise ValueError(f"rank must be 1 or more, got {self.rank}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1, got {self.dropout}")

    def build(self) -> BuiltBackbone:
        """Build the network, load its weights, and add the adapters.

        Raises:
            ValueError: peft is not installed, or no layer has such a name.
        """
        return self._adapted(self._library().build())

    def build_at(self, size: int) -> BuiltBackbone:
        """Build the network for images of another size, as the library does, with adapters."""
        return self._adapted(self._library().build_at(size))

    def rebuild(self, config: Mapping[str, Any]) -> BuiltBackbone:
        """Build the same network without its weights, and add the adapters."""
        return self._adapted(self._library().rebuild(config))

    def _library(self) -> Any:  # noqa: ANN401 - the backbone of timm or torchvision
        kind = load_plugins(()).catalogue.of("tlf_backbones")[self.library]
        return kind.component(model=self.model, weights=self.weights)

    def _adapted(self, plain: BuiltBackbone) -> BuiltBackbone:
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError as error:
            raise ValueError(f"cannot import peft ({error}); run pip install peft") from error
        adapters = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self._targets(plain.module),
            bias="none",
        )
        module = inject_adapter_in_model(adapters, plain.module)
        module.requires_grad_(True)  # the freeze policy decides what is frozen
        names = [name for name, _ in module.named_parameters()]
        stages = {
            stage: tuple(n for n in names if _plain(n) in {_plain(own) for own in owned})
            for stage, owned in plain.stages.items()
        }
        return replace(plain, module=module, stages=stages)

    def _targets(self, module: "nn.Module") -> list[str]:
        names = [*_layers(module)]
        found = [n for n in names if not self.layers or n.endswith(self.layers)]
        if not found:
            raise ValueError(
                f"no layer is called {', '.join(self.layers)}; write names such as {names[:4]}"
            )
        return found


@dataclass(frozen=True)
class Base:
    """The backbone is frozen, except for its adapters; the head trains."""

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
    """Add the adapters to the weights of their layers, and remove them."""
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

    # torch's own attention reads the weights of its layers directly and would skip an adapter.
    inside = tuple(
        f"{name}." for name, m in module.named_modules() if isinstance(m, nn.MultiheadAttention)
    )
    for name, layer in module.named_modules():
        fits = isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
        if fits and not name.startswith(inside):
            yield name


def _plain(name: str) -> str:
    """The name of a parameter's layer without adapters.

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
    """Offer the freeze policy for adapters to recipes."""
    return {"base": Base}


@hookimpl
def tlf_model_trained(model: Classifier) -> None:
    """Merge the adapters, so that the files of the run hold plain weights."""
    if any(".lora_" in name for name in model.backbone_names):
        merge(model)

"""The classifier: a backbone in stages, and a head."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tlf.errors import nearest


class Classifier(nn.Module):
    """A backbone and a head: images (B, C, H, W) → logits (B, K).

    Parameters are named as torch names them: ``backbone.layer4.0.conv1.weight``, ``head.weight``.
    """

    stages: Mapping[str, tuple[str, ...]]
    """Stage name → names of its parameters, from the stem to the top; the head is not among
    them."""

    def __init__(
        self, backbone: nn.Module, head: nn.Module, stages: Mapping[str, Sequence[str]]
    ) -> None:
        """Join a backbone and a head.

        Raises:
            ValueError: a parameter of the backbone is in no stage, or in two.
        """
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.stages = {
            stage: tuple(f"backbone.{name}" for name in names) for stage, names in stages.items()
        }
        self._check_stages()

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) → logits (B, K)."""
        logits: Tensor = self.head(self.features(images))
        return logits

    def features(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) → the input of the head: features (B, F), or maps or tokens if the
        head does the pooling.
        """
        if getattr(self.head, "pools", False):
            maps: Tensor = self.backbone.forward_features(images)  # type: ignore[operator]
            return maps
        features: Tensor = self.backbone(images)
        return features

    def stage(self, name: str) -> tuple[str, ...]:
        """Names of the parameters of one stage.

        Raises:
            ValueError: the backbone has no such stage.
        """
        if name not in self.stages:
            raise ValueError(f"the backbone has no stage {name!r}; {nearest(name, [*self.stages])}")
        return self.stages[name]

    @property
    def backbone_names(self) -> tuple[str, ...]:
        """Names of all parameters of the backbone, from the stem to the top."""
        return tuple(name for names in self.stages.values() for name in names)

    @property
    def head_names(self) -> tuple[str, ...]:
        """Names of all parameters of the head."""
        return tuple(name for name, _ in self.head.named_parameters(prefix="head"))

    def _check_stages(self) -> None:
        claimed = list(self.backbone_names)
        doubled = sorted({name for name in claimed if claimed.count(name) > 1})
        names = {name for name, _ in self.named_parameters() if name.startswith("backbone.")}
        wrong = sorted(names.symmetric_difference(claimed))
        if doubled or wrong:
            raise ValueError(
                "every parameter of a backbone must be in exactly one stage; these are not: "
                f"{', '.join([*doubled, *wrong][:5])}"
            )


def pooled(features: Tensor) -> Tensor:
    """What a head gets → embeddings (B, F) float32: features (B, F), or the mean over all places of
    maps (B, F, H, W) or tokens (B, N, F).
    """
    features = features.float()
    if features.ndim == 4:
        return features.mean((2, 3))
    return features.mean(1) if features.ndim == 3 else features


def normalisation_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Name → module, for every normalisation layer (batch, group, instance, layer, RMS norms)."""
    return {name: module for name, module in model.named_modules() if _normalises(module)}


def _normalises(module: nn.Module) -> bool:
    # Some of timm's norms inherit from none of torch's; all of them have "Norm" in their names.
    known = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
    return isinstance(module, known) or (
        "norm" in type(module).__name__.lower() and not any(True for _ in module.children())
    )


def parameter_count(model: nn.Module, names: Sequence[str]) -> int:
    """The number of values in the named parameters."""
    chosen = set(names)
    return sum(p.numel() for name, p in model.named_parameters() if name in chosen)


def batchnorms(model: nn.Module) -> tuple[nn.Module, ...]:
    """The BatchNorm layers that normalise by the statistics of a batch: those in training mode, and
    those that keep no running statistics.
    """
    return tuple(
        module
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        and (module.training or module.running_mean is None)
    )


def trains_batchnorm(model: nn.Module) -> bool:
    """Whether any BatchNorm layer normalises by a batch: it needs more than one value per
    channel.
    """
    return bool(batchnorms(model))


def restore_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors into a model that had them before, by name.

    Not ``load_state_dict``: some networks ask it for the version of a file, and no file is read.
    """
    own = model.state_dict()
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)


def channels_last(model: nn.Module) -> nn.Module:
    """Store convolution weights in the memory order in which convolutions are fastest."""
    return model.to(memory_format=torch.channels_last)

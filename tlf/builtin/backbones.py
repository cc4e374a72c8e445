"""Backbones: every classification network of torchvision, and every network of timm."""

import dataclasses
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlf.components import BuiltBackbone
from tlf.errors import WeightsError
from tlf.hookspecs import hookimpl
from tlf.preprocessing import Preprocessing
from tlf.pretrained import downloads, published, stages
from tlf.pretrained import feature_maps as maps
from tlf.pretrained.weights import StoredWeights, fit, local_file, read, vacated

if TYPE_CHECKING:
    from torch import Tensor, nn

HUB_PREFIX = "hf-hub:"

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""timm's names for a file of weights on the Hugging Face hub; safetensors first."""

AUXILIARY = ("aux1", "aux2", "AuxLogits")
"""torchvision's auxiliary classifiers, which help to train a network from scratch."""


@dataclass(frozen=True)
class Torchvision:
    """A classification network of torchvision, with torchvision's own names for its parameters.

    Its last layer is removed; dropout and hidden layers before it stay. Auxiliary classifiers are
    removed, too. Stages are torchvision's own modules, after ``stem``: ``layer1`` … ``layer4`` in a
    ResNet, ``features.1`` … in an EfficientNet.

    To heads that do their own pooling, networks without hidden layers before their classifier give
    maps (B, F, H, W), and vision transformers give tokens (B, N, F).
    """

    model: str = "resnet18"
    """torchvision's name for the architecture."""
    weights: str = "DEFAULT"
    """``DEFAULT`` or another published name (``IMAGENET1K_V1``), a file (.safetensors, .pth, .pt),
    ``starter`` (ResNet-18 weights that come with tlf), or ``none`` (random weights)."""

    def build(self) -> BuiltBackbone:
        """Build the network and load its weights.

        Raises:
            ValueError: torchvision has no such model.
            WeightsError: the weights do not exist, cannot be downloaded, or do not fit.
        """
        from tlf.pretrained.skip_init import Unfilled

        entries = published.torchvision_weights(self.model)
        stored = self._stored(entries)
        own = published.stored_preprocessing(stored.metadata) if stored else None
        entry = entries.get(self.weights, entries["DEFAULT"])
        preprocessing = own or published.torchvision_preprocessing(self.model, entry.transforms())
        with Unfilled() if stored else nullcontext():
            module = published.torchvision_module(self.model, preprocessing.size)
        return self._described(module, preprocessing, stored)

    def rebuild(self, config: Mapping[str, Any]) -> BuiltBackbone:
        """Build the same network without its weights."""
        entry = published.torchvision_weights(self.model)["DEFAULT"]
        preprocessing = published.torchvision_preprocessing(self.model, entry.transforms())
        preprocessing = preprocessing.sized(config.get("size"))
        module = published.torchvision_module(self.model, preprocessing.size)
        return self._described(module, preprocessing, None)

    def _described(
        self, module: "nn.Module", preprocessing: Preprocessing, stored: StoredWeights | None
    ) -> BuiltBackbone:
        """The network without its last layer, with the stored weights if there are any."""
        classifier, width = _remove_last_layer(module)
        if stored:
            tensors = published.torchvision_names(stored.tensors)
            fit(module, tensors, [vacated(module, classifier), *AUXILIARY])
        if top := maps.top(module, classifier):
            maps.offer_torchvision(module, top)
        config = {"size": preprocessing.size}
        return BuiltBackbone(module, width, stages.cut(module), preprocessing, classifier, config)

    def _stored(self, entries: Mapping[str, Any]) -> StoredWeights | None:
        if self.weights == "none":
            return None
        file = local_file(self.weights, self.model)
        if file:
            return read(file)
        if self.weights not in entries:
            raise WeightsError(published.unknown(self.weights, self.model, [*entries]))
        entry = entries[self.weights]
        what = f"{self.model} {entry.name}"
        return read(downloads.fetch_url(entry.url, what, megabytes=entry.meta["_file_size"]))


@dataclass(frozen=True)
class Timm:
    """A network of timm, with timm's own names for its parameters.

    Stages are timm's own groups, after ``stem``: ``stages.0`` … in a ConvNeXt, ``blocks.0`` … in a
    vision transformer. Where timm has no groups, each module at the top is a stage.

    To heads that do their own pooling, networks whose maps are as wide as their features give maps
    (B, F, H, W) or tokens (B, N, F). Maps that timm lays out as (B, H, W, F) are given as tokens.

    Two of timm's ways to crop are replaced: a squashed image is used whole instead of its centre,
    and an image is resized instead of padded.
    """

    model: str = "resnet18"
    """timm's name for the architecture; ``architecture.tag`` also names its weights."""
    weights: str = "default"
    """``default`` or another published tag (``a1_in1k``), ``hf-hub:organisation/name``, a file
    (.safetensors, .pth, .pt), ``starter`` (ResNet-18 weights that come with tlf), or ``none``
    (random weights)."""
    channels: int = 3
    """Channels of an image: 3 for colour, 1 for grey. The first convolution is adapted."""
    drop_path: float = 0.0
    """Probability that the last block is skipped in training; it falls towards the stem."""

    def __post_init__(self) -> None:
        """Check the options."""
        if self.channels not in (1, 3):
            raise ValueError(
                f"channels must be 3 (colour) or 1 (grey), got {self.channels}; write channels = 3"
            )
        if not 0 <= self.drop_path < 1:
            raise ValueError(
                f"drop_path must be a probability from 0 to below 1, got {self.drop_path}"
            )

    def build(self) -> BuiltBackbone:
        """Build the network and load its weights.

        Raises:
            ValueError: timm has no such model, or it has no drop-path.
            WeightsError: the weights do not exist, cannot be downloaded, or do not fit.
        """
        from tlf.pretrained.skip_init import Unfilled

        architecture = published.timm_architecture(self.model)
        file = local_file(self.weights, architecture)
        if file or self.weights == "none":
            stored = read(file) if file else StoredWeights({}, {})
            config = published.timm_config(self.model)
            own = published.stored_preprocessing(stored.metadata)
            preprocessing = own or published.timm_preprocessing(config)
            network: dict[str, Any] = {"size": preprocessing.size}
            with Unfilled() if file else nullcontext():
                module = self._random(architecture, config, network)
            if file:
                self._fit(module, config, stored.tensors)
        else:
            config, tensors, options = self._published(architecture)
            preprocessing = published.timm_preprocessing(config)
            module = self._loaded(architecture, config, tensors, options)
            network = {"size": preprocessing.size, "options": dict(options)}
        return self._described(module, config, preprocessing, network)

    def rebuild(self, config: Mapping[str, Any]) -> BuiltBackbone:
        """Build the same network without its weights."""
        known = published.timm_config(self.model)
        preprocessing = published.timm_preprocessing(known).sized(config.get("size"))
        architecture = published.timm_architecture(self.model)
        module = self._random(architecture, known, {"size": preprocessing.size, **config})
        return self._described(module, known, preprocessing, config)

    def _described(
        self,
        module: "nn.Module",
        config: Any,  # noqa: ANN401
        preprocessing: Preprocessing,
        network: Mapping[str, Any],
    ) -> BuiltBackbone:
        """The network with its stages, and what it is rebuilt from."""
        width = maps.offer_timm(module)
        classifier = (*published.timm_classifiers(config), "head")[0]
        preprocessing = published.with_channels(preprocessing, self.channels)
        parts = stages.cut_timm(module)
        return BuiltBackbone(module, width, parts, preprocessing, classifier, network)

    def _published(self, architecture: str) -> tuple[Any, dict[str, "Tensor"], dict[str, Any]]:
        """Published weights: timm's description, their tensors, and the network's options."""
        what = f"{self.model} {self.weights}"
        if self.weights.startswith(HUB_PREFIX):
            repository = self.weights.removeprefix(HUB_PREFIX)
            description = downloads.fetch_hub(repository, ("config.json",), f"{what} config.json")
            config, options = published.timm_hub_config(description, architecture)
            file = downloads.fetch_hub(repository, HUB_FILES, what)
            return config, read(file).tensors, options
        config = published.timm_published(self.model, self.weights)
        if config.hf_hub_id:
            file = downloads.fetch_hub(config.hf_hub_id, HUB_FILES, what)
        else:
            url, name = (config.url, "") if isinstance(config.url, str) else config.url
            file = downloads.fetch_url(url, what, name)
        return config, read(file).tensors, {}

    def _random(
        self,
        architecture: str,
        config: Any,  # noqa: ANN401
        network: Mapping[str, Any],
    ) -> "nn.Module":
        """The network with random weights, without classifier."""
        sized = config.fixed_input_size and network["size"] != config.input_size[-1]
        options = {"img_size": network["size"]} if sized else {}
        options |= {**network.get("options", {}), "num_classes": 0}
        return self._create(architecture, config, options)

    def _fit(self, module: "nn.Module", config: Any, tensors: Mapping[str, "Tensor"]) -> None:  # noqa: ANN401
        """Load a file's weights; the first convolution is adapted to the number of channels."""
        from timm.models import adapt_input_conv

        own, given = module.state_dict(), dict(tensors)
        first = config.first_conv or ()
        for name in [f"{n}.weight" for n in ([first] if isinstance(first, str) else first)]:
            colour = name in given and given[name].ndim == 4 and given[name].shape[1] == 3
            if colour and own[name].shape[1] == self.channels != 3:
                given[name] = adapt_input_conv(self.channels, given[name])
        names = published.timm_classifiers(config)
        fit(module, given, [vacated(module, name) for name in names])

    def _loaded(
        self,
        architecture: str,
        config: Any,  # noqa: ANN401
        tensors: dict[str, "Tensor"],
        options: Mapping[str, Any],
    ) -> "nn.Module":
        """The network with published weights, which timm itself converts and loads."""
        # timm is strict only where the network has as many classes as the weights.
        given = dataclasses.replace(config, state_dict=tensors)
        try:
            module = self._create(architecture, given, {"pretrained": True, **options})
        except RuntimeError as error:
            # torch lists every tensor, which may be hundreds.
            reason = str(error) if len(str(error)) < 600 else f"{str(error)[:600]} …"
            raise WeightsError(f"{self.weights} does not fit {architecture}: {reason}") from error
        module.pretrained_cfg.pop("state_dict")  # type: ignore[operator,union-attr]
        if hasattr(module, "reset_classifier"):
            module.reset_classifier(0)  # type: ignore[operator]
        return module

    def _create(self, architecture: str, config: Any, options: Mapping[str, Any]) -> "nn.Module":  # noqa: ANN401
        import timm

        drop = {"drop_path_rate": self.drop_path} if self.drop_path else {}
        options = {**options, "in_chans": self.channels, **drop}
        try:
            module: nn.Module = timm.create_model(architecture, pretrained_cfg=config, **options)
        except TypeError as error:
            if drop and "drop_path_rate" in str(error):
                raise ValueError(f"{architecture} has no drop_path; leave it out") from error
            raise
        return module


@hookimpl
def tlf_backbones() -> dict[str, type]:
    """Offer the networks of torchvision and timm."""
    return {"torchvision": Torchvision, "timm": Timm}


def _remove_last_layer(module: "nn.Module") -> tuple[str, int]:
    """Remove a torchvision network's last layer; return its name and its number of inputs."""
    from torch import nn

    name = [name for name, _ in module.named_parameters()][-1].rpartition(".")[0]
    last = module.get_submodule(name)
    width = last.in_channels if isinstance(last, nn.Conv2d) else last.in_features
    module.set_submodule(name, nn.Identity())
    return name, int(width)  # type: ignore[arg-type]

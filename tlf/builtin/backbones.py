"""Backbones: every classification network of torchvision, and every network of timm."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from tlf.components import BuiltBackbone, IsPath
from tlf.errors import WeightsError
from tlf.hookspecs import hookimpl
from tlf.preprocessing import Preprocessing
from tlf.pretrained import downloads, published, stages
from tlf.pretrained import feature_maps as maps
from tlf.pretrained.names import first, match
from tlf.pretrained.own_classifiers import own_loader_note
from tlf.pretrained.sizes import one_size, reshaped, torchvision_resized
from tlf.pretrained.stem import COLOURS, check_channels, replace_stem, with_stem
from tlf.pretrained.timm_network import TimmNetwork
from tlf.pretrained.weights import (
    HUB_PREFIX,
    StoredWeights,
    check_key,
    fit,
    local_file,
    names_file,
    needed,
    read,
    vacated,
)

if TYPE_CHECKING:
    from torch import nn

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
    weights: Annotated[str, IsPath(when=names_file)] = "DEFAULT"
    """``DEFAULT`` or another published name (``IMAGENET1K_V1``), a file (.safetensors, .pth, .pt,
    .bin, .ckpt), the folder of a run (``runs/mine``: its best backbone), ``starter`` (ResNet-18
    weights that come with tlf), or ``none`` (random weights)."""
    weights_key: str = ""
    """Which network of a file that holds several: a part of the names before its tensors', such as
    ``teacher``."""
    channels: int = 3
    """Channels of an image: 3 for colour, 1 for grey, or more. The first convolution is adapted."""

    def __post_init__(self) -> None:
        """Check the options."""
        check_channels(self.channels)

    def build(self) -> BuiltBackbone:
        """Build the network and load its weights.

        Raises:
            ValueError: torchvision has no such model.
            WeightsError: the weights do not exist, cannot be downloaded, or do not fit.
        """
        return self.build_at(None)

    def build_at(self, size: int | None) -> BuiltBackbone:
        """Build the network for images of another size: its position table is resized.

        Raises:
            ValueError: torchvision has no such model, or it does not take this size.
            WeightsError: the weights do not exist, cannot be downloaded, or do not fit.
        """
        from tlf.pretrained.skip_init import Unfilled

        entries = published.torchvision_weights(self.model)
        check_key(self.weights_key, self.weights, local_file(self.weights, self.model))
        stored = self._stored(entries)
        own = published.stored_preprocessing(stored.metadata) if stored else None
        entry = entries.get(self.weights, entries["DEFAULT"])
        preprocessing = own or published.torchvision_preprocessing(self.model, entry.transforms())
        side = size or preprocessing.size
        with Unfilled() if stored else nullcontext():
            module = self._module(side)
        return self._described(module, preprocessing, stored, side)

    def _module(self, size: int) -> "nn.Module":
        try:
            return published.torchvision_module(self.model, size)
        except (AssertionError, ValueError) as error:
            raise ValueError(one_size(size, error)) from error

    def rebuild(self, config: Mapping[str, Any]) -> BuiltBackbone:
        """Build the same network without its weights."""
        entry = published.torchvision_weights(self.model)["DEFAULT"]
        preprocessing = published.torchvision_preprocessing(self.model, entry.transforms())
        preprocessing = preprocessing.sized(config.get("size"))
        module = published.torchvision_module(self.model, preprocessing.size)
        return self._described(module, preprocessing, None, preprocessing.size)

    def _described(
        self,
        module: "nn.Module",
        preprocessing: Preprocessing,
        stored: StoredWeights | None,
        size: int,
    ) -> BuiltBackbone:
        """The network without its last layer, with the stored weights if there are any."""
        classifier, width = published.remove_last_layer(module)
        stem, other = "", self.channels != COLOURS
        if other:
            stem = replace_stem(module, self.channels, drawn=stored is None)
        notes = self._fit(module, classifier, stored, size, stem) if stored else ()
        if top := maps.top(module, classifier):
            maps.offer_torchvision(module, top)
        parts, config = stages.cut(module), {"size": size}
        own_loader = own_loader_note("torchvision", self.model, module, other_channels=other)
        preprocessing = published.with_channels(preprocessing, self.channels)
        return BuiltBackbone(
            module, width, parts, preprocessing, classifier, config, own_loader, notes
        )

    def _fit(
        self, module: "nn.Module", classifier: str, stored: StoredWeights, size: int, stem: str
    ) -> tuple[str, ...]:
        """Load the weights; return what a person should know about them. ``stem``: the name of a
        first convolution for other images than those of published weights.
        """
        ignored = [vacated(module, classifier), *AUXILIARY]
        own = needed(module, ignored)
        groups = {key: published.torchvision_names(group) for key, group in stored.groups.items()}
        found = match(groups, own, self.weights_key)
        given, notes = with_stem(found.tensors, f"{stem}.weight", self.channels)
        fit(module, torchvision_resized(module, given), ignored)
        how = f"for images of {size} pixels, as torchvision does it"
        return (*found.notes, *notes, *reshaped(given, own, how))

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
    weights: Annotated[str, IsPath(when=names_file)] = "default"
    """``default`` or another published tag (``a1_in1k``), ``hf-hub:organisation/name``, a file
    (.safetensors, .pth, .pt, .bin, .ckpt), the folder of a run (``runs/mine``: its best backbone),
    ``starter`` (ResNet-18 weights that come with tlf), or ``none`` (random weights)."""
    weights_key: str = ""
    """Which network of a file that holds several: a part of the names before its tensors', such as
    ``teacher``."""
    channels: int = 3
    """Channels of an image: 3 for colour, 1 for grey, or more. The first convolution is adapted."""
    drop_path: float = 0.0
    """Probability that the last block is skipped in training; it falls towards the stem."""

    def __post_init__(self) -> None:
        """Check the options."""
        check_channels(self.channels)
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
        return self.build_at(None)

    def build_at(self, size: int | None) -> BuiltBackbone:
        """Build the network for images of another size: timm resizes its position tables.

        Raises:
            ValueError: timm has no such model, or it has no drop-path or does not take this size.
            WeightsError: the weights do not exist, cannot be downloaded, or do not fit.
        """
        architecture = published.timm_architecture(self.model)
        file = local_file(self.weights, architecture)
        check_key(self.weights_key, self.weights, file)
        options: Mapping[str, Any] = {}
        if file or self.weights == "none":
            stored = read(file) if file else StoredWeights({}, {})
            config = published.timm_config(self.model)
        else:
            config, stored, options = self._published(architecture)
        own = published.stored_preprocessing(stored.metadata) if file else None
        preprocessing = own or published.timm_preprocessing(config)
        made_for = {"size": size or preprocessing.size, "options": dict(options)}
        network = self._network(architecture, config, made_for)
        if file:
            module, notes = network.with_file(stored, self.weights_key)
        elif self.weights == "none":
            module, notes = network.random(), ()
        else:
            module, notes = network.converted(first(stored.groups))
        return replace(self._described(module, config, preprocessing, made_for), notes=notes)

    def rebuild(self, config: Mapping[str, Any]) -> BuiltBackbone:
        """Build the same network without its weights."""
        known = published.timm_config(self.model)
        preprocessing = published.timm_preprocessing(known).sized(config.get("size"))
        architecture = published.timm_architecture(self.model)
        module = self._network(architecture, known, {"size": preprocessing.size, **config}).random()
        return self._described(module, known, preprocessing, config)

    def _network(
        self,
        architecture: str,
        config: Any,  # noqa: ANN401
        made_for: Mapping[str, Any],
    ) -> TimmNetwork:
        drop = {"drop_path_rate": self.drop_path} if self.drop_path else {}
        options = {**made_for.get("options", {}), "in_chans": self.channels, **drop}
        return TimmNetwork(architecture, config, made_for["size"], options)

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
        note = own_loader_note("timm", self.model, module)
        return BuiltBackbone(module, width, parts, preprocessing, classifier, network, note)

    def _published(self, architecture: str) -> tuple[Any, StoredWeights, dict[str, Any]]:
        """Published weights: timm's description, their file, and the network's options."""
        what = f"{self.model} {self.weights}"
        if self.weights.startswith(HUB_PREFIX):
            repository = self.weights.removeprefix(HUB_PREFIX)
            description = downloads.fetch_hub(repository, ("config.json",), f"{what} config.json")
            config, options = published.timm_hub_config(description, architecture)
            commit = description.parent.name  # of both files, whatever is new meanwhile
            same = f"{repository.partition('@')[0]}@{commit}"
            file = downloads.fetch_hub(same, HUB_FILES, what)
            return config, read(file), options
        config = published.timm_published(self.model, self.weights)
        if config.hf_hub_id:
            file = downloads.fetch_hub(config.hf_hub_id, HUB_FILES, what)
        else:
            url, name = (config.url, "") if isinstance(config.url, str) else config.url
            file = downloads.fetch_url(url, what, name)
        return config, read(file), {}


@hookimpl
def tlf_backbones() -> dict[str, type]:
    """Offer the networks of torchvision and timm."""
    return {"torchvision": Torchvision, "timm": Timm}

"""Networks and weights that torchvision and timm publish, and how images are prepared for them."""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlf.errors import WeightsError, nearest
from tlf.preprocessing import Preprocessing, read_preprocessing
from tlf.pretrained.sizes import torchvision_sized

if TYPE_CHECKING:
    from torch import Tensor, nn

OTHERS = (
    'or write "none" (random weights), "starter" (comes with tlf, for resnet18) '
    "or the path of a file of weights (.safetensors, .pth, .pt, .bin, .ckpt)"
)
"""What ``weights`` may be besides a published name."""

RENORMALISED = ("inception_v3", "googlenet")
"""torchvision's networks that convert inputs from ImageNet's mean and std to 0.5 inside."""

STEERING = ("checkpoint_path", "cache_dir", "device", "dtype")
"""Options of ``timm.create_model`` that are none of a network, besides ``pretrained…``."""

OLD_NAMES = (
    (re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\."), r"\1\2."),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)
"""Names in torchvision's oldest files → the same names in its networks now."""


def torchvision_weights(model: str) -> Mapping[str, Any]:
    """The weights that torchvision publishes for a classification network, by name.

    Raises:
        ValueError: torchvision has no such network.
    """
    from torchvision import models

    known = models.list_models(module=models)
    if model not in known:
        raise ValueError(f"torchvision has no model {model!r}; {nearest(model, known)}")
    entries: Mapping[str, Any] = models.get_model_weights(model).__members__
    return entries


def torchvision_module(model: str, size: int, **options: Any) -> "nn.Module":  # noqa: ANN401
    """A torchvision network for ``size`` × ``size`` pixels: random weights, no auxiliary heads."""
    from torchvision import models

    if model in RENORMALISED:
        options |= {"aux_logits": False, "init_weights": True}
    options |= torchvision_sized(model, size)
    module: nn.Module = models.get_model(model, weights=None, **options)
    return module


def remove_last_layer(module: "nn.Module") -> tuple[str, int]:
    """Remove a torchvision network's last layer; return its name and its number of inputs."""
    from torch import nn

    name = [name for name, _ in module.named_parameters()][-1].rpartition(".")[0]
    last = module.get_submodule(name)
    width = last.in_channels if isinstance(last, nn.Conv2d) else last.in_features
    module.set_submodule(name, nn.Identity())
    return name, int(width)  # type: ignore[arg-type] # no tensor, of these layers


def torchvision_preprocessing(model: str, transforms: Any) -> Preprocessing:  # noqa: ANN401
    """How torchvision prepares images for its weights."""
    half = (0.5, 0.5, 0.5)
    return Preprocessing(
        size=transforms.crop_size[0],
        resize=transforms.resize_size[0],
        interpolation=transforms.interpolation.value,
        # These networks convert ImageNet's mean and std to 0.5 inside; tlf uses 0.5 directly.
        mean=half if model in RENORMALISED else tuple(transforms.mean),
        std=half if model in RENORMALISED else tuple(transforms.std),
    )


def torchvision_names(tensors: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """The same tensors under the names of torchvision's networks now."""
    return {_renamed(name): tensor for name, tensor in tensors.items()}


def timm_architecture(model: str) -> str:
    """The architecture of a model, ``architecture`` or ``architecture.tag``.

    Raises:
        ValueError: timm has no such network.
    """
    import timm

    architecture = model.partition(".")[0]
    if not timm.is_model(architecture):
        known = timm.list_models()
        raise ValueError(f"timm has no model {architecture!r}; {nearest(architecture, known)}")
    return architecture


def timm_config(model: str, tag: str | None = None) -> Any:  # noqa: ANN401
    """Timm's configuration of an architecture with the weights of a tag; by default of the tag in
    the model's name, or of its first tag.

    Raises:
        WeightsError: there is no such tag.
    """
    from timm.models import get_arch_pretrained_cfgs

    architecture, _, named = model.partition(".")
    if tag is not None and named and tag != named:
        raise WeightsError(
            f"the tag must be in model or in weights, got {named!r} and {tag!r}; write one of them"
        )
    configs = get_arch_pretrained_cfgs(architecture)
    by_tag = {name.partition(".")[2]: config for name, config in configs.items()}
    chosen = (named or next(iter(by_tag), "")) if tag is None else tag
    if chosen not in by_tag:
        raise WeightsError(unknown(chosen, architecture, [*filter(None, by_tag)]))
    return by_tag[chosen]


def timm_published(model: str, weights: str) -> Any:  # noqa: ANN401
    """Timm's configuration of weights that can be fetched.

    Raises:
        WeightsError: there is no such tag, or nothing is published under it.
    """
    config = timm_config(model, None if weights == "default" else weights)
    if not (config.hf_hub_id or config.url):
        raise WeightsError(
            f'timm publishes no weights for {model}; write weights = "none" or a file\'s name'
        )
    return config


def timm_hub_config(path: Path, architecture: str) -> tuple[Any, dict[str, Any]]:
    """Read the ``config.json`` that timm stores beside weights on the hub.

    Returns:
        timm's configuration, and the options that the network was built with.

    Raises:
        WeightsError: the weights are of another architecture or not timm's, or the file is damaged.
    """
    try:
        values = dict(json.loads(path.read_text(encoding="utf-8")))
        config, options = _hub_config(values)
        read_preprocessing(dataclasses.asdict(timm_preprocessing(config)))
    except (TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise WeightsError(f"{path} cannot be read as timm's description: {error}") from error
    if "architecture" not in values:
        raise WeightsError(
            f"{path} must name an architecture, got none: these are not weights of timm"
        )
    if values["architecture"] != architecture:
        actual = values["architecture"]
        raise WeightsError(
            f"the weights are of {actual}, not {architecture}; write model = {actual!r}"
        )
    return config, options


def _hub_config(values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    from timm.models import PretrainedCfg

    # In older files, the configuration is on the top level.
    config = {**values, **values.get("pretrained_cfg", {})}
    if "num_classes" in values:
        config["num_classes"] = values["num_classes"]
    options = values.get("model_args", {})
    if size := options.get("img_size"):
        config["input_size"] = (3, *((size, size) if isinstance(size, int) else size))
    known = {field.name for field in dataclasses.fields(PretrainedCfg)} - {"file", "source"}
    return PretrainedCfg(**{k: v for k, v in config.items() if k in known}), options


def check_timm_options(options: Mapping[str, Any]) -> None:
    """Check that options which a file names describe a network: ``timm.create_model`` takes others,
    by which it would fetch or read more files, or build it elsewhere.

    Raises:
        WeightsError: one does not.
    """
    for name in options:
        if name.startswith("pretrained") or name in STEERING:
            raise WeightsError(
                f"options of a network in a file must describe its layers, got {name}; use a file "
                "that you trust"
            )


def timm_preprocessing(config: Any) -> Preprocessing:  # noqa: ANN401
    """How timm prepares images for its weights, or the closest way that tlf has.

    Rectangular input becomes square. Where timm pads images that are smaller than the crop, tlf
    resizes them to the crop.
    """
    size = min(config.input_size[1:])
    return Preprocessing(
        size=size,
        resize=max(size, math.floor(size / config.crop_pct)),
        crop="squash" if config.crop_mode == "squash" else "center",
        interpolation=config.interpolation,
        mean=tuple(config.mean),
        std=tuple(config.std),
    )


def timm_classifiers(config: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Names of the classifiers of a timm network, the main one first. Encoders have none."""
    names = config.classifier or ()
    return (names,) if isinstance(names, str) else tuple(names)


def stored_preprocessing(metadata: Mapping[str, str]) -> Preprocessing | None:
    """How images are prepared, from a safetensors file's metadata; None if it does not say so.

    >>> stored_preprocessing({"preprocessing": '{"size": 64, "mean": [0.5], "std": [0.2]}'}).size
    64

    Raises:
        WeightsError: it cannot be read as tlf's ``Preprocessing``, or a value cannot be used.
    """
    if "preprocessing" not in metadata:
        return None
    try:
        return read_preprocessing(json.loads(metadata["preprocessing"]))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise WeightsError(f"the file's own preprocessing cannot be read: {error}") from error


def with_channels(preprocessing: Preprocessing, channels: int) -> Preprocessing:
    """The same for another number of channels: grey gets the mean of the old ones; of more, each
    gets the figures of an old one in turn, as the weights do.

    >>> with_channels(Preprocessing(mean=(0.1, 0.2, 0.3)), 5).mean
    (0.1, 0.2, 0.3, 0.1, 0.2)
    >>> with_channels(Preprocessing(mean=(0.25, 0.5, 0.75), std=(0.5, 0.5, 0.5)), 1).mean
    (0.5,)
    """
    if preprocessing.channels == channels:
        return preprocessing
    if channels > 1:
        turns = [number % preprocessing.channels for number in range(channels)]
        both = preprocessing.mean, preprocessing.std
        mean, std = (tuple(values[number] for number in turns) for values in both)
        return dataclasses.replace(preprocessing, mean=mean, std=std)
    grey, spread = (sum(v) / len(v) for v in (preprocessing.mean, preprocessing.std))
    return dataclasses.replace(preprocessing, mean=(grey,), std=(spread,))


def unknown(weights: str, model: str, known: list[str]) -> str:
    """The error text for weights that are not published.

    >>> unknown("IMAGENET", "resnet18", ["DEFAULT", "IMAGENET1K_V1"]).partition(";")[0]
    "no weights 'IMAGENET' are published for resnet18"
    """
    return f"no weights {weights!r} are published for {model}; {nearest(weights, known)}; {OTHERS}"


def _renamed(name: str) -> str:
    for pattern, new in OLD_NAMES:
        name = pattern.sub(new, name)
    return name

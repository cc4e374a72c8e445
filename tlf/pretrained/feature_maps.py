"""The output of a network before pooling: maps (B, F, H, W) or tokens (B, N, F).

timm's networks have ``forward_features`` for it, torchvision's do not. After ``offer_timm`` or
``offer_torchvision``, a network either has a ``forward_features`` that returns maps or tokens of
width F, or has none. The network gets a subclass of its class: its parameters keep their names, and
it can be copied and pickled.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

LISTS = frozenset({"CoaT", "CrossVit", "EfficientViM", "EfficientViMDistilled"})
"""timm's classes whose ``forward_features`` returns several tensors, which no head can pool."""

Forward = Callable[["nn.Module", "Tensor"], "Tensor"]


def top(module: "nn.Module", classifier: str) -> str:
    """The name of the child of a torchvision network whose output is the maps; empty if none is.

    None is if there are hidden layers between pooling and the removed classifier.
    """
    children = dict(module.named_children())
    last = classifier.partition(".")[0]
    if any(parameter.ndim > 1 for parameter in children[last].parameters()):
        return ""
    if "permute" in children:
        # Swin's maps are (B, H, W, F) before this module.
        return "permute"
    return [
        n for n, child in children.items() if n != last and any(True for _ in child.parameters())
    ][-1]


def offer_torchvision(module: "nn.Module", top: str) -> None:
    """Give a torchvision network a ``forward_features``.

    Parameters:
        module: the network.
        top: the name of the child whose output is the maps.
    """
    _become(module, _torchvision_members, top)


def offer_timm(module: "nn.Module") -> int:
    """Give a timm network without classifier a ``forward_features`` as described above, or remove
    it. Return its number of features F.

    - Networks whose maps are (B, H, W, F), such as Swin, return tokens (B, H · W, F) instead.
    - Networks with hidden layers between pooling and classifier, such as MobileNetV3, have features
      wider than their maps, and a few return several tensors: they lose ``forward_features``.
    - Encoders, which timm builds for other uses than classification, return the mean of their
      tokens or maps as features.
    """
    width = int(module.head_hidden_size)  # type: ignore[arg-type]
    if not hasattr(module, "reset_classifier"):
        _become(module, _encoder_members)
    elif module.num_features != width or type(module).__name__ in LISTS:
        _become(module, _members_without_maps)
    elif getattr(module, "output_fmt", "NCHW") == "NHWC":
        _become(module, _flattened_members)
    return width


Members = Mapping[str, object]
"""Name → method, of a class."""


def _torchvision_members(kind: type, top: str) -> Members:
    special = {"VisionTransformer": _vit_tokens, "DenseNet": _rectified_maps}
    return {"forward_features": special.get(kind.__name__, _maps_of(top))}


def _encoder_members(kind: type) -> Members:
    return {"forward": _averaged(kind), "forward_features": _encoded(kind)}


def _members_without_maps(kind: type) -> Members:
    return {"forward": _whole(kind), "forward_features": property(_absent)}


def _flattened_members(kind: type) -> Members:
    return {"forward": _whole(kind), "forward_features": _flattened(kind)}


def _become(module: "nn.Module", members: Callable[..., Members], *options: str) -> None:
    """Give a network a subclass of its class, with more methods.

    Parameters:
        module: the network.
        members: the function of this module that makes the methods, from its class and ``options``.
        options: what else it takes.
    """
    module.__class__ = _subclass(type(module), members, *options)  # type: ignore[arg-type]


@cache
def _subclass(kind: type, members: Callable[..., Members], *options: str) -> type:
    """A class that has the name of ``kind``. Pickle would look it up by this name and find
    ``kind``: so its networks are pickled as what their class is made from, and their attributes.
    """
    made_from = (kind, members, *options)

    def __reduce__(self: "nn.Module") -> tuple[Any, ...]:  # noqa: N807
        return _blank, made_from, self.__dict__

    own = {"__module__": kind.__module__, "__reduce__": __reduce__}
    return type(kind.__name__, (kind,), {**own, **members(kind, *options)})


def _blank(kind: type, members: Callable[..., Members], *options: str) -> object:
    """A network whose attributes are not set yet."""
    subclass = _subclass(kind, members, *options)
    return object.__new__(subclass)


def _maps_of(top: str) -> Forward:
    def forward_features(self: "nn.Module", images: "Tensor") -> "Tensor":
        """Images (B, C, H, W) → the maps that are pooled (B, F, H, W)."""
        maps = images
        for name, child in self.named_children():
            maps = child(maps)
            if name == top:
                break
        return maps

    return forward_features


def _rectified_maps(self: "nn.Module", images: "Tensor") -> "Tensor":
    """Images (B, C, H, W) → the maps that are pooled (B, F, H, W)."""
    maps: Tensor = self.features(images).relu()  # type: ignore[operator]
    return maps


def _vit_tokens(self: "nn.Module", images: "Tensor") -> "Tensor":
    """Images (B, C, H, W) → tokens (B, N, F), the class token first."""
    import torch

    patches: Tensor = self._process_input(images)  # type: ignore[operator]
    # Not ``len``: it is a number of Python's, which torch.export takes for a constant.
    first = self.class_token.expand(patches.shape[0], -1, -1)  # type: ignore[operator]
    tokens: Tensor = self.encoder(torch.cat([first, patches], dim=1))  # type: ignore[operator]
    return tokens


def _whole(kind: type) -> Forward:
    def forward(self: "nn.Module", images: "Tensor") -> "Tensor":
        """Images (B, C, H, W) → features (B, F)."""
        # kind's own forward would call the new forward_features of self.
        features: Tensor = self.forward_head(kind.forward_features(self, images))  # type: ignore[operator,attr-defined]
        return features

    return forward


def _flattened(kind: type) -> Forward:
    def forward_features(self: "nn.Module", images: "Tensor") -> "Tensor":
        """Images (B, C, H, W) → tokens (B, N, F), row by row."""
        maps: Tensor = kind.forward_features(self, images)  # type: ignore[attr-defined]
        return maps.flatten(1, 2) if maps.ndim == 4 else maps

    return forward_features


def _averaged(kind: type) -> Forward:
    def forward(self: "nn.Module", images: "Tensor") -> "Tensor":
        """Images (B, C, H, W) → features (B, F): the mean over all positions."""
        maps = _encoded(kind)(self, images)
        return maps.mean((2, 3)) if maps.ndim == 4 else maps.mean(1)

    return forward


def _encoded(kind: type) -> Forward:
    def forward_features(self: "nn.Module", images: "Tensor") -> "Tensor":
        """Images (B, C, H, W) → maps (B, F, H, W) or tokens (B, N, F)."""
        # The same network as an instance of kind, whose forward may call kind's forward_features.
        native: nn.Module = object.__new__(kind)
        native.__dict__ = self.__dict__
        maps: Tensor = kind.forward(native, images)  # type: ignore[attr-defined]
        return maps

    return forward_features


def _absent(self: "nn.Module") -> None:
    raise AttributeError("its maps are not as wide as its features")

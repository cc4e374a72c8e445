"""ResNet-18 by hand: folded, to run, and as it is, to learn.

Source: He et al., 2015, arXiv:1512.03385.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, linear, max_pool2d

BLOCKS = [f"layer{layer}.{block}" for layer in (1, 2, 3, 4) for block in (0, 1)]


class Folded:
    """Convolutions with their BatchNorm folded in, channels last; for what is frozen."""

    def __init__(
        self, tensors: Mapping[str, Tensor], kind: torch.dtype, only_layer4: bool = False
    ) -> None:
        self.kind = kind
        self.folded: dict[str, tuple[Tensor, Tensor]] = {}
        blocks = [b for b in BLOCKS if b.startswith("layer4") or not only_layer4]
        if not only_layer4:
            self._fold(tensors, "conv1", "bn1")
        for block in blocks:
            self._fold(tensors, f"{block}.conv1", f"{block}.bn1")
            self._fold(tensors, f"{block}.conv2", f"{block}.bn2")
            if f"{block}.downsample.0.weight" in tensors:
                self._fold(tensors, f"{block}.downsample.0", f"{block}.downsample.1")

    def _fold(self, tensors: Mapping[str, Tensor], conv: str, bn: str) -> None:
        scale = tensors[f"{bn}.weight"] * (tensors[f"{bn}.running_var"] + 1e-5).rsqrt()
        weight = tensors[f"{conv}.weight"] * scale.view(-1, 1, 1, 1)
        bias = tensors[f"{bn}.bias"] - tensors[f"{bn}.running_mean"] * scale
        weight = weight.to(self.kind).contiguous(memory_format=torch.channels_last)
        self.folded[conv] = weight, bias.to(self.kind)

    def layer3(self, x: Tensor) -> Tensor:
        """Images (B, 3, S, S) → activations (B, 256, S / 16, S / 16)."""
        x = max_pool2d(conv2d(x, *self.folded["conv1"], 2, 3).relu_(), 3, 2, 1)
        for block in BLOCKS[:6]:
            x = self._block(x, block)
        return x

    def pooled(self, x: Tensor) -> Tensor:
        """Layer3's activations → features (B, 512)."""
        for block in BLOCKS[6:]:
            x = self._block(x, block)
        return x.mean((2, 3))

    def features(self, x: Tensor) -> Tensor:
        """Images (B, 3, S, S) → features (B, 512)."""
        return self.pooled(self.layer3(x))

    def _block(self, x: Tensor, name: str) -> Tensor:
        down = f"{name}.downsample.0" in self.folded
        stride = 2 if down else 1
        y = conv2d(x, *self.folded[f"{name}.conv1"], stride, 1).relu_()
        y = conv2d(y, *self.folded[f"{name}.conv2"], 1, 1)
        return y.add_(conv2d(x, *self.folded[f"{name}.downsample.0"], 2) if down else x).relu_()


class Net:
    """The network as it learns: BatchNorm by the batch, and its running statistics kept."""

    def __init__(
        self, weights: Mapping[str, Tensor], head: tuple[Tensor, Tensor], prefixes: tuple[str, ...]
    ) -> None:
        given = {**weights, "fc.weight": head[0], "fc.bias": head[1]}
        self.tensors = {
            name: tensor.contiguous(memory_format=torch.channels_last)
            if tensor.ndim == 4
            else tensor
            for name, tensor in given.items()
            if name.startswith(prefixes)
        }
        self.trainable = [
            tensor.requires_grad_()
            for name, tensor in self.tensors.items()
            if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        ]

    @property
    def head(self) -> tuple[Tensor, Tensor]:
        """Weight and bias."""
        return self.tensors["fc.weight"], self.tensors["fc.bias"]

    def __call__(self, x: Tensor, *, from_layer4: bool) -> Tensor:
        """Images, or layer3's activations → logits (B, K)."""
        if not from_layer4:
            x = self._normed(conv2d(x, self.tensors["conv1.weight"], None, 2, 3), "bn1").relu_()
            x = max_pool2d(x, 3, 2, 1)
        for block in BLOCKS[6:] if from_layer4 else BLOCKS:
            x = self._block(x, block)
        return linear(x.mean((2, 3)), *self.head)

    def _block(self, x: Tensor, name: str) -> Tensor:
        own = self.tensors
        down = own.get(f"{name}.downsample.0.weight")
        stride = 1 if down is None else 2
        y = conv2d(x, own[f"{name}.conv1.weight"], None, stride, 1)
        y = self._normed(y, f"{name}.bn1").relu_()
        y = self._normed(conv2d(y, own[f"{name}.conv2.weight"], None, 1, 1), f"{name}.bn2")
        if down is not None:
            x = self._normed(conv2d(x, down, None, 2), f"{name}.downsample.1")
        return y.add_(x).relu_()

    def _normed(self, x: Tensor, name: str) -> Tensor:
        own = self.tensors
        return batch_norm(
            x, own[f"{name}.running_mean"], own[f"{name}.running_var"], own[f"{name}.weight"],
            own[f"{name}.bias"], training=True, momentum=0.1,
        )  # fmt: skip

"""Attention as an ONNX graph holds it: of tensors with four dimensions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class FourDimensions(TorchFunctionMode):
    """While it is active, attention of tensors with five dimensions or more, such as one for the
    windows of an image, is computed with four: the first ones become one. Of three dimensions,
    images and heads in one, the tensors get a fourth.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function gives
        """Call a function of torch."""
        if func is functional.scaled_dot_product_attention:
            func = _attention
        return func(*args, **(kwargs or {}))


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *more: Any,  # noqa: ANN401 - torch's options
    **options: Any,  # noqa: ANN401
) -> Tensor:
    first = None
    if query.ndim != 4:
        if attn_mask is not None:
            attn_mask = _four(attn_mask.expand(*query.shape[:-1], key.shape[-2]))
        first = query.shape[:-1]
        query, key, value = map(_four, (query, key, value))
    found = functional.scaled_dot_product_attention(query, key, value, attn_mask, *more, **options)
    return found if first is None else found.reshape(*first, found.shape[-1])


def _four(tensor: Tensor) -> Tensor:
    return tensor.flatten(0, -4) if tensor.ndim > 4 else tensor[None]

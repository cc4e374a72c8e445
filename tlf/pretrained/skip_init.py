"""Build a network without drawing random parameters, if stored weights will replace them."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class Unfilled(TorchFunctionMode):
    """In this context, a network is built without drawing its parameters at random. ``fit`` then
    copies its weights. Drawing takes longer than reading.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever torch's function returns
        """Call torch's function, unless it draws a parameter."""
        named = kwargs or {}
        if function in _DRAWS:
            tensor = args[0] if args else named["tensor"]
            if isinstance(tensor, nn.Parameter):
                return tensor
        return function(*args, **named)


_DRAWS = (
    *(Tensor.normal_, Tensor.uniform_, Tensor.erfinv_),
    *(nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_),
)
"""Functions that draw. torch's truncated normal calls ``uniform_`` and ``erfinv_`` in place. The
functions of ``nn.init`` are seen as one call: not what they call in turn."""

"""Build a network without drawing the numbers that its weights will replace."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class Unfilled(TorchFunctionMode):
    """Where a network is built that ``fit`` will fill: its parameters are not drawn at random
    first, which takes longer than reading them.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever torch's function gives
        """Call torch's function, unless it draws a parameter."""
        if function in _DRAWS and isinstance(args[0], nn.Parameter):
            return args[0]
        return function(*args, **(kwargs or {}))


_DRAWS = (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_)
"""A truncated normal is the inverse error function of a uniform one, in place."""

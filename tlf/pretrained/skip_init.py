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
        named = kwargs or {}
        if function in _DRAWS:
            drawn = args[0] if args else named["tensor"]
            if isinstance(drawn, nn.Parameter):
                return drawn
        return function(*args, **named)


_DRAWS = (
    *(Tensor.normal_, Tensor.uniform_, Tensor.erfinv_),
    *(nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_),
)
"""A truncated normal is the inverse error function of a uniform one, in place. torch hands those of
``nn.init`` over as a whole: what they call is not seen here."""

"""The forward pass of a model, compiled once for each set of parameters that train.

The compiler is given the model's own function, which lives as long as the job, and not what a
segment wraps around it. So a segment finds what an earlier one with the same frozen parameters has
compiled, in this phase or in another one.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from tlf.model import Classifier

_SETTINGS = {
    # Compiled forms of one model. torch's own limit is 8; beyond it, torch compiles nothing more
    # and says so in its log only. Each segment of a gradual thaw needs one.
    "recompile_limit": 256,
    # Otherwise torch may not notice that a parameter was thawed, and gives it no gradient: it takes
    # the tensors of a module for unchanged as long as they are the same objects.
    "skip_tensor_guards_with_matching_dict_tags": False,
}


class Compiled:
    """Images → logits, compiled. Batches of any size share what is compiled, except those of one
    image, which need a form of their own.
    """

    def __init__(self, classifier: Classifier) -> None:
        """Compile nothing yet: the compiler is imported and started by the first call."""
        self._forward: Callable[[Tensor], Tensor] = torch.compile(classifier.forward)

    def __call__(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) → logits (B, K)."""
        from torch import _dynamo

        _dynamo.maybe_mark_dynamic(images, 0)
        with _dynamo.config.patch(_SETTINGS):
            return self._forward(images)

    @property
    def count(self) -> int:
        """How many graphs this process has compiled so far."""
        from torch._dynamo.utils import counters

        return counters["stats"]["unique_graphs"]

"""The modules of a network's stages, and what they return. A stage is a group of parameters and no
module.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from tlf.freezing.freeze import stages_of_parameters
from tlf.model import Classifier


def outermost(classifier: Classifier) -> list[tuple[str, nn.Module, str]]:
    """Name, module and stage of the outermost modules whose parameters all belong to one stage."""
    stage_of = {
        classifier.get_parameter(name): stage
        for name, stage in stages_of_parameters(classifier).items()
    }
    found: list[tuple[str, nn.Module, str]] = []
    for name, module in classifier.named_modules():
        if found and name.startswith(f"{found[-1][0]}."):  # it follows the module that it is in
            continue
        stages = {stage_of[parameter] for parameter in module.parameters()}
        if name and len(stages) == 1:
            found.append((name, module, *stages))
    return found


def first_tensor(output: object) -> Tensor | None:
    """The tensor of floating-point numbers that a module returned, or the first of several."""
    if isinstance(output, Tensor):
        return output if output.is_floating_point() else None
    values = [*output.values()] if isinstance(output, Mapping) else output
    if not isinstance(values, list | tuple):
        return None
    return next((t for one in values if (t := first_tensor(one)) is not None), None)

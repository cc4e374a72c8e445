"""What several processes decide together, without waiting for their GPUs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from accelerate import Accelerator

from tlf.runtime.connections import probed

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def host_group(accelerator: Accelerator) -> "ProcessGroup | None":
    """The group over which processes exchange numbers of the CPU. All of them have to call this.

    None where the default group does so already, or there is only one process.
    """
    if accelerator.num_processes == 1 or accelerator.device.type == "cpu":
        return None
    from torch import distributed

    with probed():
        return cast("ProcessGroup", distributed.new_group(backend="gloo"))


def summed(
    accelerator: Accelerator, group: "ProcessGroup | None", values: Sequence[float]
) -> list[float]:
    """The sum of each value over all processes. All of them have to call this.

    Parameters:
        accelerator: knows the number of processes.
        group: what ``host_group`` returned.
        values: as many in every process.
    """
    if accelerator.num_processes == 1:
        return [float(value) for value in values]
    from torch import distributed

    numbers = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(numbers, group=group)
    return [float(number) for number in numbers.tolist()]

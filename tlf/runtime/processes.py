"""What the processes of a run tell each other, and what it means when one of them is gone."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from platform import node
from typing import Any, Generic, TypeVar

import torch
from accelerate.state import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from tlf.errors import RunError, TlfError

Value = TypeVar("Value")
Result = TypeVar("Result")


@dataclass
class Machine(Generic[Value]):
    """A machine of a run, and what its processes answered."""

    name: str
    """Its host name. Machines may share one, as containers do."""
    answers: dict[int, Value] = field(default_factory=dict)
    """Number of the process → its answer."""

    @property
    def title(self) -> str:
        """The name for a message: the first process tells machines of one name apart."""
        return f"{self.name} (process {min(self.answers)})"

    def merged(self: "Machine[dict[int, Result]]") -> dict[int, Result]:
        """The results of its processes for their shards, together."""
        return {key: result for part in self.answers.values() for key, result in part.items()}


def gathered(value: Value) -> Sequence[Value]:
    """The values of all processes, in their order. Every process has to call this."""
    if PartialState().num_processes == 1:
        return [value]
    values: list[Value] = gather_object([value])
    return values


def by_machine(value: Value) -> list[Machine[Value]]:
    """The values of all processes, machine by machine. Every process has to call this."""
    machines: list[Machine[Value]] = []
    answers = gathered((node(), PartialState().local_process_index, value))
    for number, (name, local_index, answer) in enumerate(answers):
        if local_index == 0:
            machines.append(Machine(name))
        # A launcher may number processes machine by machine, or in turn.
        same = [machine for machine in machines if machine.name == name] or machines
        same[-1].answers[number] = answer
    return machines


def from_main(function: Callable[[], Value]) -> Value:
    """Call a function in the main process; every process gets its result. Every process has to call
    this: the others may lack the files that the function reads.

    Raises:
        TlfError: what the function raised; in the other processes a ``RunError`` that says the
            same.
    """
    state = PartialState()
    if state.num_processes == 1:
        return function()
    answer: list[Any] = [None, None]
    problem: TlfError | None = None
    if state.is_main_process:
        try:
            answer[0] = function()
        except TlfError as error:
            problem, answer[1] = error, str(error)
    broadcast_object_list(answer)
    if answer[1] is not None:
        raise problem or RunError(answer[1])
    result: Value = answer[0]
    return result


_GONE = re.compile(
    r"connection (closed|reset|refused)|broken pipe|got 0 bytes|timed out|timeout|heartbeat"
    r"|no route to host|unreachable|remote process exited|recvvalue failed|failed to connect",
    re.I,
)
"""What gloo, NCCL and the store of the process group say when a process cannot be reached."""


def lost_process(error: BaseException) -> str | None:
    """Say that another process is gone, if that is what the error means; None for any other.

    >>> lost_process(RuntimeError("gloo: Connection closed by peer [10.0.0.2]:4711")).split(":")[0]
    'another process of this run, at 10.0.0.2, has ended or cannot be reached'
    >>> lost_process(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    """
    text = str(error)
    distributed = isinstance(error, torch.distributed.DistError) or "gloo" in text.lower()
    if not distributed or not _GONE.search(text):
        return None
    address = re.search(r"\[([\d.]+|[\da-f:]+)\]:\d+", text)
    where = f", at {address[1]}," if address else ""
    lost = f"another process of this run{where} has ended or cannot be reached"
    return f"{lost}: its own messages may say why"

"""A warm process: it imports and starts the device once, then does one piece of work for each line
of its standard input. Work and answers are JSON."""

import json
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

ANSWER = "answer "
"""What begins a line of an answer; other lines are for a person."""

Work = dict[str, Any]


def serve(work: Callable[[Work], Work]) -> None:
    """Do what the lines say. A piece of work that fails is answered with its error."""
    for line in sys.stdin:
        try:
            answer = work(json.loads(line))
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(ANSWER + json.dumps(answer), flush=True)


def device() -> torch.device:
    """The GPU, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def synchronize() -> None:
    """Wait for the GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@contextmanager
def watched() -> Iterator[Work]:
    """Peak memory on the device in MiB, and the share of the time in which the device was busy."""
    figures: Work = {}
    samples: list[int] = []
    stopped = threading.Event()
    thread = threading.Thread(target=_sample, args=(samples, stopped), daemon=True)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        thread.start()
    try:
        yield figures
    finally:
        stopped.set()
        if torch.cuda.is_available():
            thread.join()
            figures["peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
        if samples:
            figures["busy_percent"] = sum(samples) / len(samples)


def _sample(samples: list[int], stopped: threading.Event) -> None:
    """NVML's busy share, a few times a second. Nothing where NVML cannot be asked."""
    try:
        while not stopped.wait(0.1):
            samples.append(torch.cuda.utilization())
    except (ModuleNotFoundError, RuntimeError) as error:
        print(f"the busy share is not known: {error}", flush=True)


def computing(precision: str) -> torch.autocast:
    """Set TF32, and give the context of a precision: ``bf16``, ``float32`` or ``tf32``."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    return torch.autocast(device().type, torch.bfloat16, enabled=precision == "bf16")

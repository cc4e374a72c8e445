"""The warm processes of ``gpu.py``: one for each contestant, asked by lines of JSON."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from jobs import HERE

ANSWER = "answer "


@dataclass
class Contestants:
    """Processes that are started when they are first asked, and ended with the context."""

    folder: Path
    running: dict[str, "Warm"] = field(default_factory=dict)

    def ask(self, name: str, work: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer of a contestant; one that takes too long is killed and starts anew."""
        if name not in self.running:
            self.running[name] = Warm(name, self.folder)
        try:
            return self.running[name].ask(work, seconds)
        except (TimeoutError, BrokenPipeError, EOFError) as error:
            self.running.pop(name).end()
            return {"error": f"{type(error).__name__}: {error}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.running.values():
            each.end()


class Warm:
    """One process."""

    def __init__(self, name: str, folder: Path) -> None:
        # A GPU's process shows the peak of one contestant only.
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(HERE.parent.parent), os.environ.get("PYTHONPATH")])
            ),
            "TLF_CACHE": str(folder / "tlf-cache"),
        }
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "contestants" / f"{name}.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder,
            start_new_session=True,
        )  # fmt: skip
        self.lines: queue.Queue[str | None] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def ask(self, work: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer to a piece of work.

        Raises:
            TimeoutError: there was none in time.
            EOFError: the process ended.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(work) + "\n")
        self.process.stdin.flush()
        until = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(0, until - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"no answer within {seconds:.0f} s") from None
            if line is None:
                raise EOFError(f"it ended with {self.process.wait()}")
            if line.startswith(ANSWER):
                answer: dict[str, Any] = json.loads(line.removeprefix(ANSWER))
                return answer

    def end(self) -> None:
        """Kill it, and the processes that it has started."""
        end(self.process)
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)


def end(process: "subprocess.Popen[Any]") -> None:
    """Kill a process that leads its session, and all that it has started."""
    with suppress(ProcessLookupError):  # all of them have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

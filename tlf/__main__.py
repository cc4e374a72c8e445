"""``tlf``, and ``python -m tlf``: run one command in a process of its own."""

import sys
import threading

from tlf.cli.lazy_torch import defer_imports
from tlf.cli.process import (
    collect_rarely,
    guard_imports,
    ignore_warnings_of_pillow,
    keep_memory,
    leave,
)
from tlf.cli.stdout import guard_stdout


def program() -> None:
    """Run a command; start and end the process quickly."""
    guard_imports()
    guard_stdout()
    collect_rarely()
    ignore_warnings_of_pillow()
    defer_imports()
    keep_memory()
    from tlf.cli.main import main

    status = main()
    others = {*threading.enumerate()} - {threading.main_thread()}
    if all(thread.daemon for thread in others):
        leave(status)
    sys.exit(status)


if __name__ == "__main__":  # worker processes import this module under another name
    program()

"""Runs in processes of their own that begin at once, to be killed, for end_to_end/test_resuming.py.

Everything is imported once; every line of the standard input, such as ``run PATH`` or ``resume
FOLDER POINT 2``, is done in a fork of its own. Answers its process id, and its status when it is
over. With a point, the fork kills itself there, as kill -9 does, the second time that it gets
there.
"""

import gc
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def count_down(number):
    """True at the ``number``-th call."""
    calls = iter(range(1, number + 1))
    return lambda: next(calls, None) == number


def before(owner, name, number):
    """Die instead of the ``number``-th call of a function or method."""
    real, now = getattr(owner, name), count_down(number)

    def replaced(*arguments, **options):
        if now():
            die()
        return real(*arguments, **options)

    setattr(owner, name, replaced)


def amid_state(number):
    """Die when half of the state is written, with a file beside it as safetensors leaves one."""
    from tlf.training.checkpoint import state_file as state

    real, now = state.save_file, count_down(number)

    def half(tensors, side, metadata):
        real(tensors, side, metadata)
        if now():
            os.truncate(side, os.path.getsize(side) // 2)
            shutil.copy(side, Path(side).with_name(".tmpabcdef"))
            die()

    state.save_file = half


def before_rename(number):
    """Die when a state is written whole and not yet under its name."""
    from tlf.runtime import files as folders

    real, now = folders.os.replace, count_down(number)

    def replaced(source, target):
        if Path(target).name == "state.safetensors" and now():
            die()
        real(source, target)

    folders.os.replace = replaced


def before_call(module, name):
    def point(number):
        before(__import__(module, fromlist=[name]), name, number)

    return point


def before_update(number):
    from tlf.training.step import Updates

    before(Updates, "make", number)


POINTS = {
    "amid-state": amid_state,
    "before-rename": before_rename,
    "before-recipe": before_call("tlf.runs.files", "dump"),
    "before-update": before_update,
    "before-thaw": before_call("tlf.training.trainer", "begin_segment"),
    "before-audit": before_call("tlf.training.trainer", "end_segment"),
    "before-evaluation": before_call("tlf.training.trainer", "classify"),
    "before-metrics": before_call("tlf.runs.record", "record_epoch"),
    "before-choice": before_call("tlf.training.trainer", "newest_is_best"),
    "before-model": before_call("tlf.runs.files", "save_model"),
    "before-head": before_call("tlf.runs.files", "save_head"),
    "before-predictions": before_call("tlf.runs.files", "write_csv"),
    "before-discard": before_call("tlf.runs.files", "discard"),
    "before-removal": before_call("tlf.training.checkpoint.checkpointer", "remove_model"),
}


def work(verb, path, point="", number="1"):
    from tlf.events import Updated
    from tlf.runs.resume import resume
    from tlf.runs.run import run
    from tlf.training.checkpoint.requests import ask

    if point:
        POINTS[point](int(number))
    begin = resume if verb == "resume" else run
    for event in begin(Path(path)):
        if verb == "stop" and isinstance(event, Updated) and event.phase == "thaw":
            ask(Path(path).with_suffix(""))


def serve():
    import timm  # noqa: F401 - for all forks
    import torchvision  # noqa: F401

    import tlf.runs.run  # noqa: F401

    gc.freeze()  # or every fork would copy all memory as it collects garbage
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(*line.split())
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()

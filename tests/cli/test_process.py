"""How the program ends, in a process of its own."""

import subprocess
import sys


def test_the_end_is_quick_and_whole():
    program = """
import atexit
from tlf.cli.process import leave
atexit.register(print, "reported")
print("said", end=" ")
leave(3)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.split() == ["said", "reported"]

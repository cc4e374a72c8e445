"""What is compared needs no torch."""

import subprocess
import sys


def test_it_is_imported_without_torch():
    program = "import sys, tlf.data.embedded, tlf.checks.find; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"

"""Completion in shells: the commands of the README set it up, and a real shell uses it."""

import sys
from pathlib import Path

import pytest

from shells import SHELLS, offered


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands(shell: str) -> None:
    found = offered(shell, Path(sys.executable).parent)
    assert {"explain", "export"} <= found
    assert "evaluate" not in found

"""Completion in shells: the commands of the README set it up, and a real shell uses it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_BASH = """
eval "$(_TLF_COMPLETE=bash_source tlf)"
COMP_WORDS=(tlf ex) COMP_CWORD=1
_tlf_completion tlf
echo "${COMPREPLY[@]}"
"""
_FISH = """
_TLF_COMPLETE=fish_source tlf | source
complete -C 'tlf ex' | cut -f 1 | tr '\\n' ' '
"""
# zsh offers completions through its line editor only: stubs print what they would show.
_ZSH = """
compdef() { }
compadd() { print -r -- ${(P)5} }
_describe() { print -r -- ${(P)3} }
eval "$(_TLF_COMPLETE=zsh_source tlf)"
words=(tlf ex) CURRENT=2
_tlf_completion tlf
"""


@pytest.mark.parametrize(
    ("shell", "script"), [("bash", _BASH), ("fish", _FISH), ("zsh", _ZSH)], ids=lambda v: v[:4]
)
def test_a_shell_completes_commands(shell: str, script: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    result = subprocess.run(
        [shell, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    found = {word.partition(":")[0] for word in result.stdout.split()}  # zsh adds the help
    assert {"explain", "export"} <= found
    assert "evaluate" not in found

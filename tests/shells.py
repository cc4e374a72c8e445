"""What a real shell offers for ``tlf ex`` and the tabulator key, set up as the README says."""

import os
import shutil
import subprocess
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
SHELLS = {"bash": _BASH, "fish": _FISH, "zsh": _ZSH}


def offered(shell: str, commands: Path) -> set[str]:
    """The words that a shell offers; ``commands`` is the folder that ``tlf`` lies in."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    environment = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}"}
    result = subprocess.run(
        [shell, "-c", SHELLS[shell]], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return {word.partition(":")[0] for word in result.stdout.split()}  # zsh adds the help

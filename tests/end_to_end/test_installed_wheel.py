"""The wheel as a user has it: installed by pip into a fresh environment of every Python that is
found, with the oldest and with the newest supported torch.

One environment (6 GB) at a time, which is removed: ``pytest -m network -n 0`` and this file.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import tlf as this
from places import ROOT
from shells import SHELLS, offered

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
EVERY_BOUND = ["3.11", "3.12"]
"""Pythons for which the oldest supported version of every library has wheels."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = sorted({*PROJECT["optional-dependencies"]} - {"bench"})  # fastai is behind with torch
GIB = 1 << 30

pytestmark = pytest.mark.network


def interpreter(version):
    """The command of a Python, on PATH or of pyenv, which leaves commands that start nothing."""
    name = f"python{version}"
    found = [shutil.which(name), *Path.home().glob(f".pyenv/versions/{version}.*/bin/{name}")]
    for command in filter(None, found):
        if subprocess.run([command, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(command)
    return pytest.skip(f"there is no {name}")


def oldest(version):
    """Requirements of the lowest versions that pyproject.toml admits."""
    wanted = [Requirement(line) for line in PROJECT["dependencies"]]
    names = {one.name for one in wanted} if version in EVERY_BOUND else {"torch", "torchvision"}
    return [f"{one.name}=={lowest(one)}" for one in wanted if one.name in names]


def lowest(requirement):
    (bound,) = [one.version for one in requirement.specifier if one.operator == ">="]
    return bound


def check(*command, **more):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    check(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder to work in: nothing of the repository is seen from there."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    if shutil.disk_usage(tmp_path).free < 32 * GIB:
        pytest.skip("less than 32 GiB of the disk are free")
    yield tmp_path
    shutil.rmtree(tmp_path)


LIBRARIES = "accelerate, datasets, matplotlib.pyplot, scipy.stats, sklearn, timm, torchvision"
"""What pip installs together need not fit: pyarrow refuses an old NumPy, and does not tell pip."""


def use(commands):
    """Everything that a first hour needs, in the working directory."""
    python, program = commands / "python", commands / "tlf"
    check(python, "-c", f"import {LIBRARIES}")
    assert this.__version__ in check(python, "-m", "tlf", "--version")
    assert "Resume a stopped run" in check(program, "--help")
    assert "cross-entropy" in check(program, "plugins")
    for shell in filter(shutil.which, SHELLS):
        assert {"explain", "export"} <= offered(shell, commands)
    recipe = ROOT / "recipes" / "resnet18_finetune.toml"
    words = ["output=run", "phases.head.epochs=1", "phases.all.epochs=1"]
    check(program, recipe, *words, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    found = check(python, "-c", "import tlf; print(tlf.load_head('run/head.safetensors').labels)")
    assert found.strip() == "('ants', 'bees')"


@pytest.mark.parametrize("torch", ["newest", "oldest"])
@pytest.mark.parametrize("version", PYTHONS)
def test_a_user_installs_it_and_trains(version, torch, wheel, home):
    check(interpreter(version), "-m", "venv", home / "venv")
    commands = home / "venv" / "bin"
    pip = [commands / "python", "-m", "pip", "--disable-pip-version-check"]
    pins = oldest(version) if torch == "oldest" else []
    check(*pip, "install", "-q", wheel, *pins)
    check(*pip, "check")
    use(commands)
    extras = f"tlf[{','.join(EXTRAS)}] @ {wheel.as_uri()}"
    assert "Would install" in check(*pip, "install", "--dry-run", extras, *pins)

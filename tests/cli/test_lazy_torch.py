"""The stand-ins answer as the real modules do, each in a process of its own."""

import subprocess
import sys

import pytest

BEGIN = "import sys; from tlf.cli.lazy_torch import *; defer_imports();\n"


def python(program, *flags):
    done = subprocess.run(
        [sys.executable, *flags, "-c", BEGIN + program],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_training_step_imports_no_compiler_and_searches_no_missing_package():
    program = """
import torch, torchvision.models
from accelerate import Accelerator
model = torch.nn.Linear(3, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
accelerator = Accelerator()
model, optimizer = accelerator.prepare(model, optimizer)
accelerator.backward(model(torch.ones(1, 3)).sum())
optimizer.step(); optimizer.zero_grad()
accelerator.unwrap_model(model)
print(*(name in sys.modules for name in ("torch._inductor", "torch._dynamo.config")))
from accelerate.utils import is_lomo_available
print(bool(is_lomo_available()), sys.modules["lomo_optim"])
"""
    assert python(program) == ["False"] * 3 + ["None"]


def test_compiling_imports_the_real_compiler():
    program = """
import torch, torchvision.models
model = torch.compile(torch.nn.Linear(3, 3), backend="eager")
model(torch.ones(1, 3))
print(type(sys.modules["torch._dynamo"]).__name__, type(model).__name__)
from accelerate import Accelerator
print(type(Accelerator(cpu=True).unwrap_model(model, keep_torch_compile=False)).__name__)
"""
    assert python(program) == ["module", "OptimizedModule", "Linear"]


@pytest.mark.slow
def test_a_submodule_is_imported_once():
    program = """
import torch
from importlib import import_module
first = import_module("torch._dynamo.config")
print(first is torch._dynamo.config, first is sys.modules["torch._dynamo.config"])
"""
    assert python(program) == ["True", "True"]


@pytest.mark.slow
def test_operators_for_the_onnx_exporter_can_still_be_imported():
    program = """
import torchvision
print("torch.onnx" in sys.modules, end=" ")
from torchvision.ops._register_onnx_ops import roi_pool
print(callable(roi_pool), "torch._dynamo.config" in sys.modules)
"""
    assert python(program) == ["False", "True", "False"]


def test_torchvisions_datasets_can_still_be_imported():
    program = """
import torchvision.models
print("torchvision.datasets.folder" in sys.modules, end=" ")
from torchvision.datasets import ImageFolder
import torchvision.datasets.mnist
print(ImageFolder.__name__, torchvision.datasets is sys.modules["torchvision.datasets"])
"""
    assert python(program) == ["False", "ImageFolder", "True"]


@pytest.mark.slow
def test_a_module_inside_torchvisions_datasets_can_be_imported_first():
    program = """
import torchvision
from torchvision.datasets.folder import ImageFolder
print(torchvision.datasets.ImageFolder is ImageFolder)
print(sys.modules["torchvision.datasets.folder"].__spec__.origin.endswith("folder.py"))
"""
    assert python(program) == ["True", "True"]


def test_it_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("TLF_FAST_START", "0")
    program = """
import torchvision.models
modules = (sys.modules[name] for name in ("torch._dynamo", "torchvision.datasets"))
print(*(type(module).__name__ for module in modules))
"""
    assert python(program) == ["module", "module"]


def test_an_untested_version_of_torch_starts_without_stand_ins():
    program = """
import tlf.cli.lazy_torch
tlf.cli.lazy_torch.TESTED = ("1.0",)
before = set(sys.modules)
defer_imports()
print("torch._dynamo" in set(sys.modules) - before)
"""
    begin = "import sys; from tlf.cli.lazy_torch import defer_imports\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False"]

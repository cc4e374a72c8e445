"""The rules of every component, which all checks of the kit share."""

import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import torch

from broken import options as broken
from tlf.components import IsPath
from tlf.testing import check_scheduler
from tlf.testing.contract import (
    check_options,
    from_recipe,
    no_random_numbers,
    own_catalogue,
    raising_only,
    require,
    to_recipe,
)


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_of_options_is_named(name):
    broken.RULES.assert_named(name, check_scheduler)


def test_a_component_survives_a_recipe():
    step = own_catalogue().of("tlf_schedulers")["step"].component(every=3, gamma=0.5)
    assert from_recipe(to_recipe(step, "tlf_schedulers"), "tlf_schedulers", type(step)) == step


@dataclass(frozen=True)
class Placed:
    file: Path = Path("a")
    other: Annotated[str, IsPath()] = "b"

    def factor(self, progress):
        return 1.0


def test_a_component_of_relative_paths_survives_a_recipe():
    text = check_options(Placed(other="c"), "tlf_schedulers")
    again = from_recipe(text, "tlf_schedulers", Placed)
    assert again == Placed(Path.cwd() / "a", f"{Path.cwd()}/c")


def test_require_names_component_problem_and_contract():
    require(True, "Net()", "is odd", "a net is even")
    with pytest.raises(AssertionError, match=r"^'Net\(\)' is odd\. The contract: a net is even$"):
        require(False, "Net()", "is odd", "a net is even")


def test_only_the_exceptions_of_the_contract_pass():
    with pytest.raises(ValueError, match="mine"), raising_only("Net()", "build", ValueError):
        raise ValueError("mine")
    with pytest.raises(AssertionError) as caught, raising_only("Net()", "build", ValueError):
        raise KeyError("conv")
    assert "fails in build: KeyError: 'conv'" in str(caught.value)
    assert str(caught.value).endswith("here it may raise ValueError")


@pytest.mark.parametrize(
    ("draw", "name"),
    [(torch.rand, "torch"), (lambda _: random.random(), "random"), (np.random.rand, "numpy")],
)
def test_random_numbers_are_noticed(draw, name):
    with (
        pytest.raises(AssertionError, match=rf"draws random numbers \({name}\) in build"),
        no_random_numbers("Net()", "build"),
    ):
        draw(1)


def test_torchs_random_numbers_may_be_allowed():
    with no_random_numbers("Net()", "build", but_torch=True):
        torch.rand(1)
    with (
        pytest.raises(AssertionError, match=r"draws from \['numpy'\] in build"),
        no_random_numbers("Net()", "build", but_torch=True),
    ):
        np.random.rand()


def test_no_test_framework_is_needed():
    program = (
        "import sys; from tlf.testing import *; print(*sorted({m.split('.')[0] for m in sys.modules"
        "}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"pytest", "timm", "torchvision"} & {*done.stdout.split()}

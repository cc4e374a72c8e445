"""torch.compile on request."""

import re
import subprocess
import sys

import pytest

from run_files import metrics
from small import write_recipe

PHASE = """
seed = 0
[optimizer]
kind = "sgd"
[[phases]]
name = "all"
epochs = 2
lr = 0.01
[[phases]]
name = "slower"
epochs = 1
lr = 0.001
"""


@pytest.mark.slow
def test_compiled_training_gives_the_same_losses_and_prints_the_time_of_compiling(tmp_path, images):
    printed, losses = {}, {}
    for compiled in ("true", "false"):
        path = write_recipe(tmp_path / "recipe.toml", images, PHASE, compiled)
        done = subprocess.run(
            [sys.executable, "-m", "tlf", str(path), f"compile={compiled}", "cache.mode=off"],
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        printed[compiled] = re.findall(r"note: compiling took ([\d.]+) s of the ", done.stdout)
        losses[compiled] = [line["train_loss"] for line in metrics(tmp_path / compiled)]
    assert printed["false"] == []
    # Once: the second phase and the last, smaller batches find what the first batch compiled.
    assert [float(seconds) > 1 for seconds in printed["true"]] == [True]
    assert losses["true"] == pytest.approx(losses["false"], rel=1e-3)
    assert losses["true"][0] != losses["true"][1]

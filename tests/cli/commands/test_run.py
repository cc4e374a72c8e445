"""``tlf run`` trains a recipe, however it is started, and prints what happens."""

import subprocess
import sys
from pathlib import Path

from run_files import figures

BIN = Path(sys.executable).parent


def test_all_ways_in_give_the_same_figures(recipe, tmp_path):
    """The default command, the named one, ``python -m tlf`` and ``accelerate launch -m tlf``."""
    ways = [
        [BIN / "tlf"],
        [sys.executable, "-m", "tlf", "run"],
        [BIN / "accelerate", "launch", "--cpu", "--num_processes", "1", "-m", "tlf"],
    ]
    found = []
    for number, way in enumerate(ways):
        folder = tmp_path / f"way{number}"
        command = [*way, recipe, f"output={folder}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "top-1" in done.stdout
        found.append(figures(folder))
    assert len(found[0]) == 3
    assert {"train_loss", "eval_loss", "eval_top1", "lr"} <= found[0][0].keys()
    assert all(each == found[0] for each in found)


def test_what_a_person_sees(main, recipe, tmp_path):
    output = tmp_path / "seen"
    code, out, err = main(
        recipe, f"output={output}", "phases.1.epochs=1", "transforms.augment=crop-flip"
    )
    assert (code, err) == (0, "")
    assert "\ncrops     are cut from the image files, at full resolution\n" in out
    assert f"run       {output}" in out
    assert "images    20 to train on, 11 to evaluate on: circles, squares" in out
    assert out.count("top-1") == 3  # two epochs and the best
    assert f"model     {output / 'model.safetensors'}" in out
    assert f"try it    tlf predict {output}" in out
    assert Path(output).is_dir()

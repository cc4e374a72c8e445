import json

from histories import TRAINS, epoch
from tlf.epoch_lines import epoch_line
from tlf.runs.tracking.figures import best_figures, epoch_figures


def test_the_figures_are_the_numbers_of_metrics_jsonl():
    result = epoch("all", 2, stages={"head": TRAINS})
    line = json.loads(json.dumps(epoch_line(result)))
    stages = {f"stages/head/{name}": figure for name, figure in line.pop("stages")["head"].items()}
    assert line.pop("phase") == "all"
    assert epoch_figures(result) == {**line, **stages}
    assert stages["stages/head/lr"] == TRAINS.lr


def test_the_best_epoch_is_told_by_its_step_and_its_metrics():
    assert best_figures(epoch("all", 2), 5) == {
        "best/epoch": 5.0, "best/train_loss": 0.5, "best/eval_loss": 0.75,
        "best/eval_top1": 0.25, "best/train_top1": 0.125,
    }  # fmt: skip

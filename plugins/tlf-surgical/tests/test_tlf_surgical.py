"""Surgical fine-tuning keeps tlf's contract and trains the block that is named or chosen."""

import csv

import pytest
from tlf_surgical import Block, Enough, Relative, Report

from tlf.results import EpochResult, Progress, StageSignals
from tlf.testing import check_freeze_policy, tiny_classifiers

MODEL = tiny_classifiers()["resnet18"]


def result(**gradients):
    stages = {stage: StageSignals(norm, 2.0, 0.0) for stage, norm in gradients.items()}
    return EpochResult("all", 0, 1.0, {"loss": 1.0, "top1": 0.5}, 0.1, 1, 1.0, 1.0, stages)


def trainable(policy, progress):
    frozen = {*policy.frozen(MODEL, progress)}
    return [s for s in MODEL.stages if not frozen & {*MODEL.stage(s)}], frozen


def test_the_contract():
    check_freeze_policy(Block("layer1"))
    check_freeze_policy(Block("blocks.2"))
    check_freeze_policy(Relative())
    check_freeze_policy(Relative(stages=2, probe=2))


def test_a_block_by_name():
    stages, frozen = trainable(Block("layer2"), Progress(0, 1))
    assert stages == ["layer2"]
    assert not frozen & {*MODEL.head_names}
    with pytest.raises(ValueError, match="no stage 'layer9'"):
        Block("layer9").frozen(MODEL, Progress(0, 1))


def test_stages_with_the_largest_relative_gradients_continue_to_train():
    first = result(stem=1, layer1=9, layer2=2, layer3=8, layer4=0, head=99)
    second = result(stem=1, layer1=1, layer2=1, layer3=8, layer4=0, head=99)
    start, later = Progress(0, 4), Progress(3, 4, history=(first, second, second))
    assert trainable(Relative(), start)[0] == [*MODEL.stages]
    assert trainable(Relative(), later)[0] == ["layer1"]
    assert trainable(Relative(probe=2), later)[0] == ["layer3"]
    assert trainable(Relative(stages=2), later)[0] == ["layer1", "layer3"]
    with pytest.raises(ValueError, match="have no gradients of this backbone's stages"):
        Relative().frozen(MODEL, Progress(1, 4, history=(result(head=1),)))


def test_options_are_checked():
    with pytest.raises(ValueError, match="probe must be 1 or more, got 0"):
        Relative(probe=0)


def test_enough_ends_a_run_once_gradients_are_small():
    ask = Enough(below=0.5).tlf_stop
    assert ask(history=()) is None
    assert ask(history=(result(stem=0.1, head=1),)) is None
    assert ask(history=(result(head=9), result(stem=0.1, head=0.9))) == (
        "every relative gradient is below 0.5"
    )


def test_the_report_is_a_table(tmp_path):
    report = Report(tmp_path / "report.csv")
    for _ in range(2):
        report.tlf_phase_started(phase="all")
        report.tlf_epoch_ended(result=result(stem=1, head=3))
    rows = list(csv.reader((tmp_path / "report.csv").read_text().splitlines()))
    line = [["all", "0", "stem", "0.5"], ["all", "0", "head", "1.5"]]
    assert rows == [["phase", "epoch", "stage", "relative_gradient"], *line, *line]
    with pytest.raises(ValueError, match=r"file must be writable, .*: Is a directory"):
        Report(tmp_path).tlf_phase_started(phase="all")

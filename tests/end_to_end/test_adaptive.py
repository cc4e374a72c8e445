"""A freeze policy that tlf was not built with: it thaws by what the stages themselves signal.

It comes as a plugin, is compared with a plain loop that does the same by hand, and is resumed after
a kill, though it stores nothing of its own.
"""

import json
import os
import subprocess
import sys

import pytest
import torch
from torch.nn import functional
from torchvision import models

from places import ROOT
from run_files import different_tensors
from small import RESNET18, write_recipe
from tlf.data.loading import Decoded, Images, order
from tlf.data.transforms import normalize
from tlf.results import EpochResult
from tlf.runs.folder import RunStarted
from tlf.runs.run import run

PLUGIN = '''
from dataclasses import dataclass
from tlf.hookspecs import hookimpl

@dataclass(frozen=True)
class Liveliest:
    """All trains in the first epoch; then stages thaw by the length of the gradient they had."""

    def frozen(self, model, progress):
        if not progress.history:
            return ()
        signals = progress.history[0].stages
        ranked = sorted(model.stages, key=lambda stage: -signals[stage].grad_norm)
        return [name for stage in ranked[progress.epoch :] for name in model.stage(stage)]

@hookimpl
def tlf_freeze_policies():
    return {"liveliest": Liveliest}
'''
RECIPE = f"""
{RESNET18}
[[phases]]
name = "thaw"
freeze = "lively:liveliest"
epochs = 4
lr = 1e-3
"""
RESUMABLE = "checkpoint_every = { updates = 1 }\n" + RECIPE
STAGES = {"stem": ("conv1", "bn1"), **{f"layer{n}": (f"layer{n}",) for n in (1, 2, 3, 4)}}
"""Stage → modules of torchvision's ResNet-18."""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install the policy as its own distribution."""
    folder = tmp_path / "installed"
    info = folder / "tlf_lively-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tlf-lively\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tlf]\nlively = tlf_lively\n")
    (folder / "tlf_lively.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "tlf_lively", raising=False)
    return folder


class PlainLoop:
    """The same training by hand, an epoch at a time."""

    def __init__(self, job):
        self.split, self.preprocessing = job.splits.train, job.preprocessing
        self.images = Images(
            Decoded(self.split, self.preprocessing), self.split.labels, self.preprocessing.size
        )
        self.model = models.resnet18()
        self.model.fc = torch.nn.Linear(512, 2)
        head = {f"fc.{name}": value for name, value in job.classifier.head.state_dict().items()}
        self.model.load_state_dict({**job.classifier.backbone.state_dict(), **head})
        self.model.to(memory_format=torch.channels_last)
        self.optimizer = None

    def thaw(self, trainable):
        """Let these stages and the head train; momentum is kept where there was some."""
        self.model.train()
        for stage, modules in STAGES.items():
            for module in map(self.model.get_submodule, modules):
                module.train(stage in trainable).requires_grad_(stage in trainable)
        known = {} if self.optimizer is None else self.optimizer.state
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9)
        self.optimizer.state.update({p: known[p] for p in parameters if p in known})

    def epoch(self, number):
        """Train one, and give the mean length of each stage's gradient."""
        shuffled = order(3, number, len(self.split))
        sums = dict.fromkeys(STAGES, 0.0)
        for start in range(0, len(shuffled), 4):
            indices = shuffled[start : start + 4]
            images = torch.stack([self.images[number, i][1] for i in indices])
            images = normalize(images, self.preprocessing).contiguous(
                memory_format=torch.channels_last
            )
            labels = torch.tensor([self.split.labels[i] for i in indices])
            self.optimizer.zero_grad()
            functional.cross_entropy(self.model(images), labels).backward()
            for stage, modules in STAGES.items():
                sums[stage] += self.length(modules) / 5
            self.optimizer.step()
        return sums

    def length(self, modules):
        parameters = [p for m in modules for p in self.model.get_submodule(m).parameters()]
        squares = (p.grad.double().square().sum().item() for p in parameters if p.requires_grad)
        return sum(squares) ** 0.5


def weights(classifier):
    head = {f"fc.{name}": value.clone() for name, value in classifier.head.state_dict().items()}
    return head | {name: t.clone() for name, t in classifier.backbone.state_dict().items()}


def test_it_does_what_a_plain_loop_does_by_hand(tmp_path, images, plugin):
    plain, ours, results = None, [], []
    for event in run(write_recipe(tmp_path / "recipe.toml", images, RECIPE)):
        if isinstance(event, RunStarted):
            job, plain = event.job, PlainLoop(event.job)
        elif isinstance(event, EpochResult):
            ours.append(weights(job.classifier))
            results.append(event)
    plain.thaw(STAGES)
    signals = plain.epoch(0)
    assert {s: results[0].stages[s].grad_norm for s in STAGES} == pytest.approx(signals, rel=1e-3)
    ranked = sorted(STAGES, key=lambda stage: -signals[stage])
    for number in range(4):
        if number:
            plain.thaw(ranked[:number])
            plain.epoch(number)
        theirs = plain.model.state_dict()
        assert theirs.keys() == ours[number].keys()
        different = [n for n in theirs if not torch.equal(theirs[n], ours[number][n])]
        assert not different, f"epoch {number + 1}"


@pytest.mark.slow
def test_it_is_resumed_after_a_kill(tmp_path, images, plugin):
    whole, killed = (
        write_recipe(tmp_path / f"{name}.toml", images, RESUMABLE, output=name)
        for name in ("whole", "killed")
    )
    folder = tmp_path / "killed"
    words = [
        ("run", whole),
        ("run", killed, "before-update", 14),  # in the third epoch, when two stages have thawed
        ("resume", folder, "before-thaw", 1),
        ("resume", folder),
    ]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "killed_runs.py")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(plugin), *sys.path])},
        input="".join(" ".join(map(str, line)) + "\n" for line in words),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout.split()[1::2] == ["0", "-9", "-9", "0"], done.stderr
    one, two = (tmp_path / name / "model.safetensors" for name in ("whole", "killed"))
    assert different_tensors(one, two) == []
    segments = [(tmp_path / name / "segments.jsonl").read_text() for name in ("whole", "killed")]
    assert segments[0] == segments[1]
    trainable = [len(json.loads(line)["rates"]) for line in segments[0].splitlines()]
    assert len(trainable) == 4
    assert trainable[0] > trainable[3] > trainable[2] > trainable[1] > 2

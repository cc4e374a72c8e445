"""Every number of a record is what a plain loop of torch gives. The loop shares the modules of the
network with the engine, and nothing else.

Weights and statistics agree bit for bit, and so do counts. Norms, losses and probabilities agree to
1e-6 of their size: float32 is summed in another order.
"""

from copy import deepcopy

import pytest
import torch
from torch.nn import functional

from lanes import lane_of, opened, settings_of

ROUNDING = 1e-6
RESNET = {
    "stem": ("backbone.conv1", "backbone.bn1"),
    **{f"layer{n}": (f"backbone.layer{n}",) for n in range(1, 5)},
    "head": ("head",),
}
VIT = {
    "stem": ("backbone.cls_token", "backbone.pos_embed", "backbone.patch_embed"),
    **{f"blocks.{n}": (f"backbone.blocks.{n}",) for n in range(5)},
    "blocks.5": ("backbone.blocks.5", "backbone.norm"),
    "head": ("head",),
}
CONVNEXT = {
    "stem": ("backbone.stem",),
    **{f"stages.{n}": (f"backbone.stages.{n}",) for n in range(3)},
    "stages.3": ("backbone.stages.3", "backbone.head"),
    "head": ("head",),
}
"""Stage → its modules and parameters; its output is that of the last one."""


class Plain:
    """A loop as in a tutorial, on a copy of a lane's network at its start, and with its images."""

    def __init__(self, lane, stages, rates, optimizer, decay=0.0, naive=False, **options):
        """``rates``: parameter that trains → its learning rate."""
        job, batches = lane.network.job, lane.network.batches
        self.network, self.stages = deepcopy(job.classifier), stages
        mean, std = job.preprocessing.mean, job.preprocessing.std
        self.mean, self.std = (torch.tensor(figure).view(3, 1, 1) for figure in (mean, std))
        self.train, self.eval = batches.train(lane.settings.batch), batches.eval
        self.naive, self.decay = naive, decay
        self.optimizer = optimizer(self.groups(rates), **options)
        self.start = self.tensors()

    def groups(self, rates):
        """Let these parameters train and no others; a group of the optimizer for each."""
        named = dict(self.network.named_parameters())
        for name, parameter in named.items():
            parameter.requires_grad, parameter.grad = name in rates, None
        decays = {name: 0.0 if named[name].ndim < 2 else self.decay for name in rates}
        return [
            {"params": [named[name]], "lr": rate, "weight_decay": decays[name]}
            for name, rate in rates.items()
        ]

    def tensors(self):
        return {name: tensor.clone() for name, tensor in self.network.state_dict().items()}

    def of(self, stage, names):
        own = self.stages[stage]
        return [n for n in names if any(n == one or n.startswith(f"{one}.") for one in own)]

    def parameters(self, stage):
        named = dict(self.network.named_parameters())
        return [named[name] for name in self.of(stage, named)]

    def logits(self, batch):
        return self.network((batch.inputs.float() / 255 - self.mean) / self.std)

    def step(self):
        """Make a step; return its numbers by name, of each stage."""
        before, outputs = self.tensors(), {}
        self.set_modes()
        handles = [self.watch(stage, outputs) for stage in self.stages]
        logits, labels = self.logits(self.train), self.train.labels
        loss = functional.cross_entropy(logits, labels)
        for handle in handles:
            handle.remove()
        reached = [stage for stage in self.stages if outputs[stage].requires_grad]
        slopes = torch.autograd.grad(loss, [outputs[s] for s in reached], retain_graph=True)
        loss.backward()
        slopes = dict(zip(reached, slopes, strict=True))
        seen = {
            "loss": loss.item(),
            "correct": int((logits.argmax(1) == labels).sum()),
            "output": {stage: norm([output]) for stage, output in outputs.items()},
            "flow": {s: norm([slopes[s]]) if s in slopes else None for s in self.stages},
            "gradient": {s: norm([p.grad for p in self.parameters(s)]) for s in self.stages},
        }
        self.optimizer.step()
        self.optimizer.zero_grad()
        return seen | self.changes(before)

    def set_modes(self):
        self.network.train(self.naive)
        for stage in self.stages:
            for module in self.of(stage, [name for name, _ in self.network.named_modules()]):
                own = self.network.get_submodule(module)
                own.training = self.naive or any(p.requires_grad for p in own.parameters())

    def watch(self, stage, outputs):
        def hook(module, inputs, output):
            outputs[stage] = output
            return output.clone()  # what follows may change it in place

        return self.network.get_submodule(self.stages[stage][-1]).register_forward_hook(hook)

    def changes(self, before):
        found = {name: {} for name in ("weights", "update", "moved", "unchanged", "drift")}
        now, weights = self.tensors(), dict(self.network.named_parameters())
        for stage in self.stages:
            names, held = self.of(stage, now), self.of(stage, weights)
            stats = [n for n in names if n.endswith(("running_mean", "running_var"))]
            moves = [now[n] - before[n] for n in held]
            trains = any(weights[n].requires_grad for n in held)
            found["weights"][stage] = norm([now[n] for n in held])
            found["update"][stage] = norm(moves) if trains else None
            found["moved"][stage] = sum(int((move != 0).sum()) for move in moves)
            found["unchanged"][stage] = all(torch.equal(now[n], before[n]) for n in names)
            drift = norm([now[n] - self.start[n] for n in stats])
            found["drift"][stage] = drift and drift / norm([self.start[n] for n in stats])
        return found

    def measured(self, batch):
        """Loss, correct images and sorted probabilities in eval mode."""
        self.network.eval()
        with torch.no_grad():
            logits = self.logits(batch)
        loss = functional.cross_entropy(logits, batch.labels).item()
        correct = int((logits.argmax(1) == batch.labels).sum())
        return loss, correct, logits.softmax(1).sort(1, descending=True).values


def norm(tensors):
    present = [tensor.detach().flatten() for tensor in tensors if tensor is not None]
    return torch.cat(present).double().norm().item() if present else None


def near(number):
    return None if number is None else pytest.approx(number, rel=ROUNDING)


def compare(lane, plain, steps):
    """Make steps in both, and compare every number. Returns the last record."""
    for _ in range(steps):
        record, seen = lane.make_step(), plain.step()
        assert (record.loss, record.correct) == (near(seen["loss"]), seen["correct"])
        for stage, own in record.stages.items():
            for name in ("output", "flow", "gradient", "weights", "update"):
                assert getattr(own, name) == near(seen[name][stage]), (stage, name)
            assert own.moved == seen["moved"][stage]
            assert own.unchanged == seen["unchanged"][stage]
            assert (own.statistics and own.statistics.drift) == near(seen["drift"][stage])
        for own, batch in ((record.train, plain.train), (record.eval, plain.eval)):
            loss, correct, probabilities = plain.measured(batch)
            assert (own.loss, own.correct) == (near(loss), correct)
            pairs = torch.tensor(own.probabilities)
            assert torch.allclose(pairs[..., 1], probabilities, rtol=ROUNDING, atol=1e-7)
        now = lane.network.job.classifier.state_dict()
        assert all(torch.equal(tensor, now[name]) for name, tensor in plain.tensors().items())
    return record


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory, images):
    more = "[optimizer]\nkind = 'sgd'\nweight_decay = 0.1\n"
    return opened(tmp_path_factory.mktemp("resnet"), images, "resnet18", more, "torchvision")


def test_resnet18_with_a_frozen_stage_above_one_that_trains(resnet18):
    trains = ["layer2", "layer4", "head"]
    lane = lane_of(resnet18, settings_of(resnet18, trains, layer_decay=0.5))
    network = resnet18.classifier
    own = {"layer2": 0.01 * 0.5**3, "layer4": 0.01 * 0.5, "head": 0.05}
    rates = {
        name: own[stage]
        for stage, names in {**network.stages, "head": network.head_names}.items()
        for name in names
        if stage in own
    }
    plain = Plain(lane, RESNET, rates, torch.optim.SGD, 0.1, momentum=0.9)
    record = compare(lane, plain, 2)
    # A gradient passes the frozen layer3: its output has one, its parameters have none.
    assert record.stages["layer3"].flow > 0
    assert record.stages["layer3"].gradient is None
    for stage in ("stem", "layer1"):
        seen = record.stages[stage]
        assert (seen.flow, seen.gradient, seen.update, seen.rate) == (None, None, None, None)
        assert seen.trains == seen.moved == 0
        assert seen.unchanged
        assert not seen.statistics.changed
        assert seen.statistics.drift == 0
        assert all(p.grad is None and not p.requires_grad for p in plain.parameters(stage))
    assert record.stages["layer2"].rate == own["layer2"]
    for name, parameter in network.named_parameters():
        assert parameter.requires_grad == (name in rates)


def test_naive_freezing_drifts_as_plain_torch_does(resnet18):
    lane = lane_of(resnet18, settings_of(resnet18, ["head"], naive=True))
    rates = dict.fromkeys(resnet18.classifier.head_names, 0.05)
    plain = Plain(lane, RESNET, rates, torch.optim.SGD, 0.1, naive=True, momentum=0.9)
    record = compare(lane, plain, 2)
    for stage, seen in record.stages.items():
        if stage != "head":
            assert (seen.flow, seen.gradient, seen.moved) == (None, None, 0)
            assert seen.statistics.changed
            assert seen.statistics.drift > 0.01


def test_a_vit_whose_norms_and_head_train(tmp_path, images):
    job = opened(tmp_path, images, "test_vit", "[optimizer]\nkind = 'adamw'\nweight_decay = 0.1\n")
    norms = [n for n in job.classifier.backbone_names if "norm" in n]
    partial = frozenset(job.classifier.backbone_names) - {*norms}
    trains = {"head": "trainable"} | {stage: "norms" for stage in VIT if stage.startswith("blocks")}
    lane = lane_of(job, settings_of(job, trains, optimizer="adamw"), norms=partial)
    rates = dict.fromkeys(norms, 0.01) | dict.fromkeys(job.classifier.head_names, 0.05)
    plain = Plain(lane, VIT, rates, torch.optim.AdamW, 0.1)
    record = compare(lane, plain, 3)
    assert record.stages["stem"].flow is None
    assert record.stages["blocks.0"].trains == sum(
        p.numel() for p in plain.parameters("blocks.0") if p.requires_grad
    )


def test_a_convnext_that_is_thawed_and_frozen_between_steps(tmp_path, images):
    job = opened(tmp_path, images, "test_convnext")

    def settings(*trains, **more):
        return settings_of(job, [*trains, "head"], **more)

    def rates(*stages):
        names = [name for stage in stages for name in job.classifier.stages[stage]]
        return dict.fromkeys(names, 0.01) | dict.fromkeys(job.classifier.head_names, 0.05)

    lane = lane_of(job, settings("stages.3"))
    plain = Plain(lane, CONVNEXT, rates("stages.3"), torch.optim.SGD, momentum=0.9)
    compare(lane, plain, 2)
    lane.change(settings("stages.2", "stages.3"))  # momentum of what trains on is kept
    state = plain.optimizer.state
    plain.optimizer = torch.optim.SGD(plain.groups(rates("stages.2", "stages.3")), momentum=0.9)
    plain.optimizer.state.update(state)
    record = compare(lane, plain, 2)
    assert [s for s, seen in record.stages.items() if seen.flow] == ["stages.2", "stages.3", "head"]
    lane.change(settings("stages.2", optimizer="adamw"))  # it begins without state
    plain.optimizer = torch.optim.AdamW(plain.groups(rates("stages.2")))
    for group in plain.optimizer.param_groups:
        group["weight_decay"] = 0.01 if group["params"][0].ndim > 1 else 0.0
    record = compare(lane, plain, 2)
    assert record.stages["stages.3"].gradient is None
    assert record.stages["stages.3"].flow > 0

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from small import TWO_PHASES, write_recipe
from tlf.freezing.freeze import freeze
from tlf.model import Classifier
from tlf.recipe.plan import plan_of, read_plan
from tlf.simulator.costs import (
    first_batch,
    forward_work,
    held_bytes,
    naive_differs,
    partition_of,
    step_multiply_adds,
    undisturbed,
)
from tlf.simulator.scene import Stage
from tlf.training.job import open_job

CONV = 2 * 4 * 8 * 8 * 4
"""Bytes of what the first convolution gives, of 2 images."""


def stage(name, parameters, multiply_adds):
    return Stage(name, parameters, multiply_adds, 0, observed=True)


STAGES = (stage("stem", 10, 1000), stage("layer1", 20, 200), stage("head", 5, 30))


@pytest.mark.parametrize(
    ("trains", "once", "expected"),
    [
        ({"stem": 10, "layer1": 20, "head": 5}, (), 3 * 1230 - 1000),
        ({"stem": 0, "layer1": 0, "head": 5}, (), 1230 + 30),
        ({"stem": 0, "layer1": 0, "head": 5}, ("stem", "layer1"), 30 + 30),
        ({"stem": 0, "layer1": 20, "head": 5}, ("stem",), 230 + 30 + 230),
        ({"stem": 1, "layer1": 0, "head": 5}, (), 1230 + 230 + 100 + 30),
    ],
)
def test_the_rule_of_a_backward_pass(trains, once, expected):
    assert step_multiply_adds(STAGES, trains, once) == expected


def test_costs_of_a_small_network_are_those_of_a_pencil(odd):
    """Of its step: the images, what each layer gives to the next, gradients and momentum. Small
    change, such as the mean of a batch, is below 300 bytes.
    """
    simulation = odd()
    job, (stem, conv, head) = simulation.job, simulation.scene.stages
    assert stem.multiply_adds == 64 * 4 * 3 * 9
    assert conv.multiply_adds == 64 * 8 * 4 * 9
    assert head.multiply_adds == 8 * 2
    assert (stem.statistics, conv.statistics) == (1, 0)
    assert all(stage.observed for stage in (stem, conv, head))
    weights = 4 * sum(p.numel() for p in job.classifier.parameters())
    images, relu, norm, wide = 2 * 3 * 64 * 4, CONV, CONV, 2 * CONV
    held = held_bytes(job, frozenset(), job.recipe.optimizer, 2)
    assert 0 <= held - (images + relu + norm + wide + 2 * weights) < 300
    held = held_bytes(job, frozenset(job.classifier.backbone_names), job.recipe.optimizer, 2)
    assert 0 <= held - (2 * 8 * 4 + 2 * 4 * 18) < 300


def test_attention_is_counted(simulation, tmp_path, images):
    text = f'backbone = {{ kind = "timm", model = "test_vit", weights = "none" }}\n{TWO_PHASES}'
    plan = read_plan(write_recipe(tmp_path / "vit.toml", images, text))
    job = open_job(plan, simulation.job.accelerator)
    expected, sizes = 0, []

    def count(module, given, output):
        nonlocal expected
        expected += output[0].numel() * module.weight[0].numel()
        sizes.append(output.shape)

    layers = [m for m in job.classifier.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    job.classifier(first_batch(job, 2)[0])
    for handle in handles:
        handle.remove()
    blocks = job.classifier.backbone.blocks
    tokens, width = sizes[1][1], job.classifier.backbone.embed_dim
    assert sum(forward_work(job).multiply_adds.values()) == (
        expected + len(blocks) * 2 * tokens**2 * width
    )
    assert not naive_differs(job)


@pytest.mark.parametrize("preset", ["last", "all"])
def test_the_rule_is_near_what_autograd_does(simulation, preset):
    """It leaves out the gradient of activations inside the lowest stage that trains."""
    job, scene = simulation.job, simulation.scene
    chosen = next(each for each in scene.presets if each.id == preset)
    images, labels = first_batch(job, 2)
    with undisturbed(job.classifier), FlopCounterMode(display=False) as counter:
        freeze(job.classifier, chosen.frozen)
        job.losses(job.classifier(images), labels).mean().backward()
    measured = counter.get_total_flops() / 4
    ruled = step_multiply_adds(scene.stages, chosen.trains)
    lowest = next(each for each in scene.stages if chosen.trains[each.name])
    assert 0 <= measured - ruled <= lowest.multiply_adds


def test_costs_of_presets(simulation):
    costs = {p.id: simulation.costs(p.settings) for p in simulation.scene.presets}
    assert costs["head"].computed_once == "features"
    assert costs["last"].computed_once == "output of layer3"
    assert costs["sandwich"].computed_once == "output of layer1"
    assert costs["all"].computed_once is costs["norms"].computed_once is None
    assert costs["naive"].computed_once is None
    *_, head = simulation.scene.stages
    assert costs["head"].multiply_adds == 2 * head.multiply_adds
    assert costs["all"].multiply_adds == costs["all"].everything
    assert costs["all"].memory == costs["all"].memory_everything
    assert costs["head"].memory < costs["last"].memory < costs["all"].memory
    assert costs["all"].seconds_everything > 0


def test_a_run_that_mixes_images_computes_nothing_once(simulation):
    job = simulation.job
    frozen = frozenset(job.classifier.backbone_names)
    assert partition_of(job, frozen, 2).name == "features"
    mixing = ['transforms.augment={ kind = "mixup" }']
    plan = plan_of(replace(job.plan, splits=None), mixing)
    assert partition_of(replace(job, plan=plan), frozen, 2) is None


def test_adam_holds_twice_as_much_as_momentum(simulation):
    everything = next(p for p in simulation.scene.presets if p.id == "all").settings
    weights = 4 * sum(stage.parameters for stage in simulation.scene.stages)
    sgd, adam = (
        simulation.costs(replace(everything, optimizer=kind)).memory for kind in ("sgd", "adamw")
    )
    assert weights <= adam - sgd <= 1.01 * weights  # and a count of steps for each tensor


def test_nothing_is_disturbed(simulation):
    classifier = simulation.job.classifier
    tensors = dict([*classifier.named_parameters(), *classifier.named_buffers()])
    slope = torch.ones(())
    try:
        for number, module in enumerate(classifier.modules()):
            module.training = number % 2 == 0
        for number, parameter in enumerate(classifier.parameters()):
            parameter.requires_grad_(number % 3 > 0)
        classifier.head.bias.grad = slope = torch.randn_like(classifier.head.bias)
        before = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        modes = [module.training for module in classifier.modules()]
        required = [parameter.requires_grad for parameter in classifier.parameters()]
        drawn = torch.get_rng_state()
        simulation._costs.clear()
        simulation._measured.clear()
        for preset in simulation.scene.presets[-3:]:
            simulation.costs(preset.settings)
        forward_work(simulation.job)
        naive_differs(simulation.job)
        assert all(torch.equal(tensors[name], before[name]) for name in before)
        assert [module.training for module in classifier.modules()] == modes
        assert [parameter.requires_grad for parameter in classifier.parameters()] == required
        assert classifier.head.bias.grad is slope
        assert classifier.head.weight.grad is None
        assert torch.equal(torch.get_rng_state(), drawn)
    finally:
        classifier.head.bias.grad = None
        classifier.eval().requires_grad_(True)


def test_attention_alone_is_no_reason_to_show_naive_freezing(simulation):
    """In eval mode and without gradients, torch's attention has a kernel that rounds otherwise."""
    attention = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    network = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.Flatten(2), Transposed(), attention, Mean())
    names = tuple(name for name, _ in network.named_parameters())
    classifier = Classifier(network, nn.Linear(8, 2), {"stem": names})
    job = replace(simulation.job, classifier=classifier)
    assert not naive_differs(job)
    attention.dropout.p = 0.5
    assert naive_differs(job)


class Transposed(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(1)

"""Learning rates, and the errors of later epochs, which are raised before training begins."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from small import TWO_PHASES, write_recipe
from tlf.builtin.backbones import Timm
from tlf.builtin.freeze_policies import Alternate, Backbone, Gradual, Norms, Nothing, Plateau
from tlf.builtin.schedulers import Constant
from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.errors import PluginError, RecipeError
from tlf.model import Classifier
from tlf.plugins.loading import load_plugins
from tlf.preprocessing import Preprocessing
from tlf.recipe.files import resolve
from tlf.recipe.plan import Plan
from tlf.recipe.schema import Phase
from tlf.training.phases import (
    check_augmentations,
    check_phases,
    learning_rates,
    unused_note,
)

STAGES = {"stem": ["0.weight"], "low": ["1.weight"], "top": ["2.weight"]}
PHASE = Phase(name="p", freeze=(Nothing(),), epochs=1, lr=0.1, scheduler=Constant())
HEAD_ONLY, HEAD_AND_TOP = {"head": 0.1}, {"head": 0.1, "top": 0.01}


@pytest.fixture(scope="module")
def resnet():
    built = Timm(model="test_resnet", weights="none").build()
    return Classifier(built.module, nn.Linear(built.num_features, 2), built.stages)


def _of_stage(rates, model, stage):
    return {rates[name] for name in model.stages[stage]}


def test_one_rate_for_all(resnet):
    rates = learning_rates(resnet, PHASE, ())
    assert set(rates.values()) == {0.1}
    assert rates.keys() == {name for name, _ in resnet.named_parameters()}


def test_rates_by_name_replace_all_others_and_the_last_match_counts(resnet):
    phase = replace(PHASE, layer_decay=0.5, lr_matching={r"bn\d": 1e-3, r"layer4\.": 1e-4})
    rates = learning_rates(resnet, phase, ())
    assert _of_stage(rates, resnet, "layer4") == {1e-4}
    assert {rate for name, rate in rates.items() if "bn" in name and "layer4" not in name} == {1e-3}
    assert rates["backbone.layer3.0.conv1.weight"] == 0.025
    assert rates["head.weight"] == 0.1
    frozen = [name for name in rates if "layer4" in name]
    assert learning_rates(resnet, phase, frozen).keys() == rates.keys() - {*frozen}


def test_rates_by_name_that_match_nothing_are_an_error(resnet):
    with pytest.raises(ValueError, match=r"lr_matching: 'leyer4' matches no parameter; .*layer4"):
        learning_rates(resnet, replace(PHASE, lr_matching={"leyer4": 1e-3}), ())
    with pytest.raises(ValueError, match=r"lr_matching must have regular expressions as keys"):
        replace(PHASE, lr_matching={"(": 1e-3})


def test_rates_by_name_give_a_rate_to_what_has_none(resnet):
    phase = replace(PHASE, lr={"head": 0.1}, lr_matching={"^backbone": 0.01})
    assert set(learning_rates(resnet, phase, ()).values()) == {0.1, 0.01}


def test_layer_decay_multiplies_from_the_top(resnet):
    rates = learning_rates(resnet, replace(PHASE, layer_decay=0.5), ())
    assert rates["head.weight"] == 0.1
    assert _of_stage(rates, resnet, "layer4") == {0.05}
    assert _of_stage(rates, resnet, "layer3") == {0.025}
    assert _of_stage(rates, resnet, "stem") == {0.1 * 0.5**5}


def test_a_table_of_rates(resnet):
    table = {"head": 1.0, "backbone": 0.1, "layer4": 0.5}
    rates = learning_rates(resnet, replace(PHASE, lr=table, layer_decay=0.5), ())
    assert rates["head.bias"] == 1.0
    assert _of_stage(rates, resnet, "layer4") == {0.5}
    assert _of_stage(rates, resnet, "layer3") == {0.025}


def test_a_table_that_leaves_parameters_without_a_rate(resnet):
    with pytest.raises(ValueError, match="trains but has no learning rate; add backbone = …"):
        learning_rates(resnet, replace(PHASE, lr={"head": 1.0}), ())
    assert learning_rates(resnet, replace(PHASE, lr={"head": 1.0}), resnet.backbone_names)


def test_a_table_that_names_no_stage(resnet):
    with pytest.raises(ValueError, match="no stage 'layer5'; did you mean 'layer"):
        learning_rates(resnet, replace(PHASE, lr={"head": 1.0, "backbone": 1.0, "layer5": 1.0}), ())


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "convnext_atto",
        "vit_tiny_patch16_224",
        "efficientnet_b0",
        "swin_tiny_patch4_window7_224",
    ],
)
def test_layer_decay_agrees_with_timm(name):
    """timm numbers the head and every group from the stem; the same scales must come out."""
    import timm

    own = Timm(model=name, weights="none").build()
    model = Classifier(own.module, nn.Linear(own.num_features, 5), own.stages)
    rates = learning_rates(model, replace(PHASE, lr=1.0, layer_decay=0.7), ())
    theirs = timm.create_model(name, num_classes=5)
    coarse = theirs.group_matcher
    theirs.group_matcher = lambda coarse=False, _=coarse: _(coarse=True)
    parameters = {id(p): n for n, p in theirs.named_parameters()}
    scales = {
        parameters[id(p)]: group["lr_scale"]
        for group in param_groups_layer_decay(theirs, weight_decay=0.0, layer_decay=0.7)
        for p in group["params"]
    }
    # timm counts a final norm to the head where the head module holds it; tlf to the last stage.
    heads = {name for name, scale in scales.items() if scale == 1.0}
    ours = {name.removeprefix("backbone.") for name in model.backbone_names}
    assert all("norm" in name for name in heads & ours)
    compared = {name: scale for name, scale in scales.items() if name not in heads}
    assert compared == pytest.approx({name: rates[f"backbone.{name}"] for name in compared})
    assert len(compared) > 0.9 * len(ours)


@pytest.fixture(scope="module")
def model():
    backbone = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(3)))
    return Classifier(backbone, nn.Linear(2, 2, bias=False), STAGES)


def check(model, policies, *, lr=HEAD_ONLY, epochs=3, offers=(), batch_size=32):
    """Check a phase with these policies, as a run does before it trains."""
    plugins = load_plugins(())
    table = {
        "batch_size": batch_size,
        "data": {"kind": "starter"},
        "backbone": {"kind": "timm", "model": "test_resnet", "weights": "none"},
        "phases": [
            {"name": "fits", "freeze": "backbone", "epochs": 1, "lr": 0.1},
            {"name": "thaw", "freeze": "backbone", "epochs": epochs, "lr": lr},
        ],
    }
    recipe = resolve(table, plugins.catalogue)
    object.__setattr__(recipe.phases[1], "freeze", tuple(policies))
    catalogue = Catalogue((*plugins.catalogue.offers, *offers))
    object.__setattr__(plugins, "catalogue", catalogue)
    check_phases(Plan(recipe, plugins, "my.toml"), model)


def problems(model, policies, **more):
    with pytest.raises(RecipeError) as raised:
        check(model, policies, **more)
    return raised.value.problems


@pytest.mark.parametrize(
    ("policy", "lr", "epoch", "name"),
    [
        (Gradual(), HEAD_ONLY, 2, "backbone.2.weight"),
        (Gradual(every=2), HEAD_AND_TOP, 5, "backbone.1.weight"),
        (Gradual(start=1, thaw=3), HEAD_AND_TOP, 3, "backbone.0.weight"),
        (Plateau(patience=2), HEAD_ONLY, 4, "backbone.2.weight"),
        (Plateau(patience=1), HEAD_AND_TOP, 4, "backbone.1.weight"),
        (Alternate(every=2), HEAD_AND_TOP, 3, "backbone.0.weight"),
    ],
)
def test_a_stage_that_thaws_later_needs_a_rate(model, policy, lr, epoch, name):
    (problem,) = problems(model, [policy], lr=lr, epochs=epoch)
    assert problem == (
        f"phases.1.lr: by epoch {epoch}, {name} trains but has no learning rate; add backbone = …"
    )
    check(model, [policy], lr=lr, epochs=epoch - 1)
    check(model, [policy], lr={**lr, "backbone": 0.01}, epochs=epoch)


def test_what_another_policy_keeps_frozen_needs_none(model):
    check(model, [Gradual(), Backbone()], epochs=9)


def test_a_phase_that_would_train_nothing_later(model):
    (problem,) = problems(model, [Backbone(), Alternate()])
    assert problem == (
        "phases.1.freeze: in epoch 2, everything is frozen: the phase would train nothing"
    )


@dataclass(frozen=True)
class Adaptive:
    """A third party's policy that reads what it likes from the history."""

    rule: str

    def frozen(self, model, progress):
        if self.rule == "improves" and progress.epoch and progress.history[-1].eval_top1 > 0.6:
            return ()
        if self.rule == "signals" and progress.epoch:
            assert {*progress.history[-1].stages} == {*model.stages, "head"}
            assert [result.epoch for result in progress.history] == [*range(progress.epoch)]
        if self.rule == "breaks" and progress.epoch:
            raise ZeroDivisionError
        if self.rule == "refuses" and progress.epoch:
            raise ValueError("no stage has trained enough")
        if self.rule == "stalls" and progress.epoch and progress.history[-1].train_loss > 0.9:
            return (*model.backbone_names, *model.head_names)
        return model.backbone_names


ADAPTIVE = Offer("tlf_freeze_policies", "p:adaptive", Adaptive, Plugin("p", "p", "1"))


@pytest.mark.parametrize("rule", ["signals", "breaks", "refuses", "stalls"])
def test_no_policy_is_blamed_for_a_history_that_nobody_measured(model, rule):
    check(model, [Adaptive(rule)], offers=[ADAPTIVE])


def test_a_thaw_that_only_success_brings_is_foreseen(model):
    (problem,) = problems(model, [Adaptive("improves")], offers=[ADAPTIVE])
    assert problem.startswith("phases.1.lr: by epoch 3, backbone.0.weight trains")


def test_a_phase_without_an_end_in_sight_is_checked_to_its_end(model):
    (problem,) = problems(model, [Gradual(every=100)], epochs=20_000)
    assert problem.startswith("phases.1.lr: by epoch 20000, backbone.0.weight trains")


@pytest.mark.parametrize(
    ("policies", "epochs", "refused"),
    [
        ([Nothing()], 1, True),
        ([Nothing(), Norms()], 1, False),
        ([Gradual()], 1, False),
        ([Gradual()], 3, True),
        ([Gradual(), Norms()], 9, False),
    ],
)
def test_batches_of_one_image_are_refused_where_batchnorm_may_train(
    resnet, policies, epochs, refused
):
    more = {"lr": 0.1, "epochs": epochs, "batch_size": 1}
    if not refused:
        check(resnet, policies, **more)
        return
    (problem,) = problems(resnet, policies, **more)
    assert problem == (
        "batch_size: must be at least 2, as BatchNorm trains in the phase thaw, got 1; write "
        'batch_size = 2, or freeze "norms" in every phase'
    )
    check(resnet, policies, **{**more, "batch_size": 2})


def test_a_network_without_batchnorm_takes_batches_of_one_image(model):
    check(model, [Nothing()], lr=0.1, batch_size=1)


def test_many_unused_parameters_are_one_short_line():
    names = [f"backbone.{letter}" for letter in "abcdefghijklmnop"]
    assert unused_note("head", names[1::-1]) == (
        "head: the model's output does not depend on backbone.a, backbone.b; frozen in this phase"
    )
    assert unused_note("head", names).endswith("backbone.l and 4 more; frozen in this phase")


def test_the_command_line_reports_it_before_anything_is_written(tmp_path, images, tlf):
    thaw = 'freeze = "gradual"\nepochs = 3\nlr = { head = 0.1, layer4 = 0.01 }'
    text = TWO_PHASES.replace("epochs = 2\nlr = 0.01\nlayer_decay = 0.5", thaw)
    done = tlf(write_recipe(tmp_path / "recipe.toml", images, text))
    assert done.returncode == 2
    assert "phases.1.lr: by epoch 3, backbone.layer3" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path(tmp_path / "run").exists()


@dataclass(frozen=True)
class Grain:
    gives: str = "image"

    def augment(self, image, size):
        return {"image": image, "none": None, "float": image.float(), "grey": image[:1]}[self.gives]


@dataclass(frozen=True)
class Blend:
    factor: float = 1.0

    def mix(self, images, targets):
        return images, targets * self.factor


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        ({"kind": "film:grain", "gives": "none"}, "augment must return torch.uint8 .*, got None"),
        ({"kind": "film:grain", "gives": "float"}, r"got torch.float32 \(3, 28, 28\)"),
        ({"kind": "film:grain", "gives": "grey"}, r"got torch.uint8 \(1, 28, 28\)"),
        ({"kind": "film:blend", "factor": 2.0}, "mix must return class probabilities"),
    ],
)
def test_augmentations_of_plugins_are_tried_before_anything_trains(augment, message):
    film = Plugin("film", "tlf-film", "1.2")
    offers = (
        Offer("tlf_augmentations", "film:grain", Grain, film),
        Offer("tlf_augmentations", "film:blend", Blend, film),
    )
    catalogue = Catalogue((*load_plugins(()).catalogue.offers, *offers))

    def check(*augmentations):
        table = {
            "data": "starter", "backbone": "timm", "transforms": {"augment": [*augmentations]},
            "phases": [{"name": "all", "epochs": 1, "lr": 0.1}],
        }  # fmt: skip
        plan = Plan(resolve(table, catalogue), SimpleNamespace(catalogue=catalogue), "recipe")
        before = torch.get_rng_state()
        check_augmentations(plan, Preprocessing(size=24, resize=28), 2)
        assert torch.equal(before, torch.get_rng_state())

    check("film:grain", "crop-flip", "film:blend")
    with pytest.raises(PluginError, match=rf"^'{augment['kind']}' \(tlf-film 1.2\): .*{message}"):
        check(augment)


@dataclass(frozen=True)
class Odd:
    """A policy that answers as it is told."""

    answer: Callable[[], object]
    options: tuple[list[int], ...] = ()

    def frozen(self, model, progress):
        for option in self.options:
            option.append(progress.epoch)
        return self.answer()


def drawing():
    """Another answer to every question."""
    answers = iter([[STEM], []])
    return Odd(lambda: next(answers))


ODD = Offer("tlf_freeze_policies", "odd:policy", Odd, Plugin("odd", "tlf-odd", "1.0"))
STEM = "backbone.0.weight"


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        (Odd(lambda: STEM), "frozen must return a set of names of parameters, got 'backbone.0"),
        (Odd(lambda: None), "frozen must return a set of names of parameters, got None"),
        (Odd(lambda: [0]), r"frozen must return a set of names of parameters, got \[0\]"),
        (Odd(lambda: [STEM], ([],)), "frozen must leave the policy's options as they are, and"),
        (drawing(), "frozen must return the same names for the same prog"),
    ],
    ids=["string", "nothing", "numbers", "mutating", "random"],
)
def test_a_policy_that_is_no_pure_function_is_named(model, policy, fault):
    (problem,) = problems(model, [policy], offers=[ODD])
    assert re.match(rf"phases\.1\.freeze: 'odd:policy' \(tlf-odd 1\.0\): {fault}", problem)


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf"), None, "0.5"])
def test_a_factor_that_is_no_factor_is_named_before_training(model, monkeypatch, factor):
    monkeypatch.setattr(Constant, "factor", lambda self, progress: factor)
    problem, *_ = problems(model, [Backbone()])
    assert problem.startswith("phases.0.scheduler: 'constant' (")
    assert f"factor must return a finite number, 0 or more, got {factor!r}" in problem

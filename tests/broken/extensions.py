"""Extensions."""

from dataclasses import dataclass, field
from typing import Any

import torch

from broken.rules import Rules
from tlf.hookspecs import hookimpl

RULES = Rules()
_OUTSIDE = {"updates": 0}


@dataclass(frozen=True)
class Counting:
    """It counts updates and adds up their rates: in its state, all of it."""

    state: dict[str, Any] = field(default_factory=dict, init=False)

    @hookimpl
    def tlf_run_started(self, resumed):
        assert bool(self.state) == resumed

    @hookimpl
    def tlf_update_ended(self, result):
        self.state["updates"] = self.state.get("updates", 0) + 1
        self.state["rates"] = self.state.get("rates", torch.zeros(2)) + result.lr


@RULES.broken("has another state['updates'] in a run that was killed after 2 updates and resumed")
@dataclass(frozen=True)
class Outside:
    state: dict[str, Any] = field(default_factory=dict, init=False)

    @hookimpl
    def tlf_run_started(self, resumed):
        if not resumed:
            _OUTSIDE["updates"] = 0

    @hookimpl
    def tlf_update_ended(self):
        _OUTSIDE["updates"] += 1
        self.state["updates"] = _OUTSIDE["updates"]


@RULES.broken("gives other weights or results in a run that was killed after 2 updates and resumed")
@dataclass(frozen=True)
class Forgetful:
    """It weighs the loss by the number of updates, which it does not store."""

    seen: dict[str, int] = field(default_factory=dict, init=False, compare=False)

    @hookimpl
    def tlf_training_step(self, model, images, labels, loss):
        self.seen["updates"] = self.seen.get("updates", 0) + 1
        return loss(model(images), labels).mean() / self.seen["updates"]


@RULES.broken("its state must be a dict of JSON (text as keys), tuples and tensors, got a set")
@dataclass(frozen=True)
class Unstorable:
    state: dict[str, Any] = field(default_factory=dict, init=False)

    @hookimpl
    def tlf_phase_started(self, phase):
        self.state["phases"] = {phase}


@RULES.broken("changes what tlf_epoch_ended gives it")
@dataclass(frozen=True)
class Writing:
    @hookimpl
    def tlf_epoch_ended(self, result):
        result.metrics["loss"] = 0.0


@RULES.broken("changes what tlf_epoch_ended gives it")
@dataclass(frozen=True)
class WritingSignals:
    @hookimpl
    def tlf_epoch_ended(self, result):
        result.stages.clear()


@RULES.broken("changes what the run computes")
@dataclass(frozen=True)
class Meddling:
    @hookimpl
    def tlf_phase_started(self):
        torch.nn.init.ones_(_modules()[-1].weight)


def _modules():
    import gc

    linear = [one for one in gc.get_objects() if issubclass(type(one), torch.nn.Linear)]
    return [layer for layer in linear if layer.weight.shape == (2, 6)]


@RULES.broken("ends the small run: stopped on request in epoch 1 of 2 of phase head: over")
@dataclass(frozen=True)
class Hasty:
    @hookimpl
    def tlf_stop(self):
        return "over"


@RULES.broken("changes its own options")
@dataclass(frozen=True)
class Moody:
    limits: list[int] = field(default_factory=list)

    @hookimpl
    def tlf_phase_started(self):
        self.limits.append(1)


@RULES.broken("fails in a small run: PluginError: plugin 'checked' (checked 0) failed in tlf_run")
@dataclass(frozen=True)
class Raising:
    @hookimpl
    def tlf_run_ended(self, result):
        return 1 / 0


@RULES.broken("fails in tlf_run_failed: PluginError: plugin 'checked' (checked 0) failed in tlf_")
@dataclass(frozen=True)
class RaisingAgain:
    @hookimpl
    def tlf_run_failed(self, error):
        raise error.args[1]


@RULES.broken("fails in tlf_model_trained, before the run's model is loaded: PluginError")
@dataclass(frozen=True)
class Once:
    """It works on the model of the run only."""

    state: dict[str, Any] = field(default_factory=dict, init=False)

    @hookimpl
    def tlf_epoch_ended(self, result):
        self.state["loss"] = result.eval_loss

    @hookimpl
    def tlf_model_trained(self, model):
        return self.state["loss"]


@RULES.broken("has a field 'state' that does not begin as a dict; write state: dict[str, Any] = f")
@dataclass(frozen=True)
class NoDict:
    state: list[int] = field(default_factory=list, init=False)

    @hookimpl
    def tlf_epoch_ended(self):
        """Nothing."""


@RULES.broken("has a field 'state' that is an option, so it is not stored; write state: dict")
@dataclass(frozen=True)
class StateAsOption:
    state: dict[str, int] = field(default_factory=dict)

    @hookimpl
    def tlf_epoch_ended(self):
        """Nothing."""

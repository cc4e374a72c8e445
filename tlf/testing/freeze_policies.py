"""The contract of a freeze policy."""

from collections.abc import Collection, Mapping
from copy import deepcopy

from tlf.components import FreezePolicy
from tlf.freezing.freeze import digests
from tlf.model import Classifier
from tlf.results import Progress
from tlf.testing.contract import check_options, no_random_numbers, raising_only, require
from tlf.testing.models import each_classifier, progresses, tiny_classifiers
from tlf.testing.second_process import check_second_process

HOOK = "tlf_freeze_policies"
REPEATS = 30
"""How often a policy is asked about one epoch: its answer may be random, and mostly the same."""
PURE = "frozen(model, progress) is a pure function: it only names parameters, and tlf freezes them"


def check_freeze_policy(
    policy: FreezePolicy, models: Mapping[str, Classifier] | None = None
) -> None:
    """Check that a freeze policy keeps its contract.

    Its options survive a recipe. For every model and in every epoch of a phase, it names parameters
    of the model, but not all of them. It names the same ones when it is called again, in another
    order of epochs, on a model with other parts frozen, and in a second process. It changes nothing
    and draws no random numbers. It may refuse a model with a ``ValueError``, but not every model.

    Parameters:
        policy: the component, with its options.
        models: name → classifier to try; ``tiny_classifiers()`` if none are given.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    recipe = check_options(policy, HOOK)
    refused = {}
    tried = tiny_classifiers() if models is None else models
    for name, model in tried.items():
        try:
            _check_on(policy, name, model)
        except ValueError as error:
            refused[name] = error
    require(
        len(refused) < len(tried),
        policy,
        f"refuses every model: {'; '.join(f'{name}: {e}' for name, e in refused.items())}",
        "it accepts a model that it fits; pass one with models={...}",
    )
    check_second_process(policy, HOOK, recipe)


def describe(policy: FreezePolicy) -> str:
    """The names that it gives, on the first model that it does not refuse."""
    for _, model in each_classifier():
        try:
            answers = [policy.frozen(model, progress) for progress in progresses(model)]
        except ValueError:
            continue
        return str([sorted(answer) for answer in answers])
    return ""


def _check_on(policy: FreezePolicy, name: str, model: Classifier) -> None:
    series = progresses(model)
    before, told = _contents(model), deepcopy(series)
    with no_random_numbers(policy, "frozen"):
        answers = [_answer(policy, name, model, progress) for progress in series]
        again = [_answer(policy, name, model, progress) for progress in reversed(series)]
        often = {_answer(policy, name, model, series[-1]) for _ in range(REPEATS)}
    changed = next((key for key, value in _contents(model).items() if before[key] != value), None)
    require(changed is None, policy, f"changes {changed} of {name}", PURE)
    require(series == told, policy, f"changes the progress that it is given for {name}", PURE)
    require(
        answers == again[::-1] and often == {answers[-1]},
        policy,
        f"gives different names for {name} when it is called again",
        f"{PURE}, and everything that it may depend on is in progress",
    )
    every = {key for key, _ in model.named_parameters()}
    require(
        every not in answers,
        policy,
        f"freezes everything in {name}",
        "something trains in every epoch",
    )
    _check_on_frozen(policy, name, model, series[-1], answers[-1])


def _answer(
    policy: FreezePolicy, name: str, model: Classifier, progress: Progress
) -> frozenset[str]:
    with raising_only(policy, f"frozen on {name}, epoch {progress.epoch}", ValueError):
        answer = policy.frozen(model, progress)
    require(
        isinstance(answer, Collection) and not isinstance(answer, str | bytes),
        policy,
        f"gives a {type(answer).__name__} for {name}",
        "frozen gives a collection of names: a tuple, list or set",
    )
    known = {key for key, _ in model.named_parameters()}
    unknown = [key for key in answer if key not in known]
    require(
        not unknown,
        policy,
        f"names {unknown[:1]} in {name}, which is not a parameter of it",
        "names are the model's own: backbone.layer4.0.conv1.weight, head.weight; model.stage(name) "
        "gives those of a stage",
    )
    return frozenset(answer)


def _check_on_frozen(
    policy: FreezePolicy, name: str, model: Classifier, progress: Progress, expected: frozenset[str]
) -> None:
    flags = {key: p.requires_grad for key, p in model.named_parameters()}
    modes = {key: module.training for key, module in model.named_modules()}
    model.requires_grad_(False).eval()
    try:
        answer = _answer(policy, name, model, progress)
    finally:
        for key, parameter in model.named_parameters():
            parameter.requires_grad_(flags[key])
        for key, module in model.named_modules():
            module.training = modes[key]
    require(
        answer == expected,
        policy,
        f"gives different names for {name} when the model was frozen before",
        "tlf calls it in every epoch, on a model that is frozen as in the epoch before: it "
        "does not depend on requires_grad and training",
    )


def _contents(model: Classifier) -> dict[str, object]:
    """Everything that a policy could change."""
    modes = {f"the mode of {key or 'the model'}": m.training for key, m in model.named_modules()}
    flags = {f"requires_grad of {key}": p.requires_grad for key, p in model.named_parameters()}
    return {"stages": dict(model.stages), **modes, **flags, **digests(model)}

"""What a run relies on in a freeze policy."""

from collections.abc import Collection, Mapping

from tlf.components import FreezePolicy
from tlf.freezing.freeze import digests
from tlf.model import Classifier
from tlf.results import Progress
from tlf.testing.contract import allowed, check_options, drawing_nothing, hold
from tlf.testing.models import progresses, tiny_classifiers
from tlf.testing.second_process import check_second_process

HOOK = "tlf_freeze_policies"
PURE = "frozen(model, progress) is a pure function: it only names parameters, the engine freezes"


def check_freeze_policy(
    policy: FreezePolicy, models: Mapping[str, Classifier] | None = None
) -> None:
    """Check that a freeze policy keeps its contract.

    Its options survive a recipe. On every model, and in every epoch of a phase: it names parameters
    of the model, and not all of them; it gives the same answer again, in
    another order of epochs, on a model that was frozen by somebody else, and in a second process;
    it changes nothing and draws no random numbers. It may refuse a model with a ``ValueError``, but
    not all of them.

    Parameters:
        policy: it, with its options.
        models: name → classifier to ask it about; ``tiny_classifiers()`` if none are given.

    Raises:
        AssertionError: it does not; says what is wrong and what the contract is.
    """
    check_options(policy, HOOK)
    refused = {}
    asked = tiny_classifiers() if models is None else models
    for name, model in asked.items():
        try:
            _check_on(policy, name, model)
        except ValueError as error:
            refused[name] = error
    hold(
        len(refused) < len(asked),
        policy,
        f"refuses every model: {'; '.join(f'{name}: {e}' for name, e in refused.items())}",
        "it works on a model that it fits; give one by models={...}",
    )
    check_second_process(policy, HOOK)


def told(policy: FreezePolicy) -> str:
    """What it answers, on the first model that it does not refuse."""
    for model in tiny_classifiers().values():
        try:
            answers = [policy.frozen(model, progress) for progress in progresses(model)]
        except ValueError:
            continue
        return str([sorted(answer) for answer in answers])
    return ""


def _check_on(policy: FreezePolicy, name: str, model: Classifier) -> None:
    series = progresses(model)
    before = _looks(model)
    with drawing_nothing(policy, "frozen"):
        answers = [_answer(policy, name, model, progress) for progress in series]
        again = [_answer(policy, name, model, progress) for progress in reversed(series)]
    changed = next((key for key, value in _looks(model).items() if before[key] != value), None)
    hold(changed is None, policy, f"changes {changed} of {name}", PURE)
    hold(
        answers == again[::-1],
        policy,
        f"gives another answer for {name} when it is asked again",
        f"{PURE}, and everything it may go by is in progress",
    )
    every = {key for key, _ in model.named_parameters()}
    hold(
        every not in answers,
        policy,
        f"freezes everything in {name}",
        "something trains in every epoch",
    )
    _check_on_frozen(policy, name, model, series[-1], answers[-1])


def _answer(
    policy: FreezePolicy, name: str, model: Classifier, progress: Progress
) -> frozenset[str]:
    with allowed(policy, f"frozen on {name}, epoch {progress.epoch}", ValueError):
        answer = policy.frozen(model, progress)
    hold(
        isinstance(answer, Collection) and not isinstance(answer, str | bytes),
        policy,
        f"gives a {type(answer).__name__} for {name}",
        "frozen gives a collection of names: a tuple, list or set",
    )
    known = {key for key, _ in model.named_parameters()}
    strange = [key for key in answer if key not in known]
    hold(
        not strange,
        policy,
        f"names {strange[:1]} in {name}, which is no parameter of it",
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
    hold(
        answer == expected,
        policy,
        f"gives another answer for {name} when the model was frozen before",
        "the engine asks in every epoch, on a model that is frozen as the last answer had it: "
        "requires_grad and training say nothing",
    )


def _looks(model: Classifier) -> dict[str, object]:
    """Everything that a policy could change."""
    modes = {f"the mode of {key or 'the model'}": m.training for key, m in model.named_modules()}
    flags = {f"requires_grad of {key}": p.requires_grad for key, p in model.named_parameters()}
    return {**modes, **flags, **digests(model)}

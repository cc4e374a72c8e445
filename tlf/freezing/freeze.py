"""Frozen means frozen: no gradient, no decay, no statistics, no dropout; and the proof that it
held.

A policy only names parameters. The one function that makes them stand still is ``freeze``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from torch import Tensor

from tlf.errors import FrozenMovedError
from tlf.model import Classifier
from tlf.pretrained.weights import fingerprint
from tlf.runtime.cores import usable_cores


def united(classifier: Classifier, answers: Iterable[Collection[str]]) -> frozenset[str]:
    """Names of the parameters that any of the freeze policies lets stand still.

    Raises:
        ValueError: a policy names what is no parameter, or they name all.
    """
    named = frozenset(name for answer in answers for name in answer)
    known = {name for name, _ in classifier.named_parameters()}
    if strange := sorted(named - known):
        raise ValueError(
            f"the freeze policy names {strange[0]!r}, which is no parameter of the model; "
            "the names stand in `tlf explain RECIPE --names`"
        )
    if named == known:
        raise ValueError("everything is frozen: the phase would train nothing")
    return named


def freeze(classifier: Classifier, frozen: Collection[str]) -> None:
    """Let the named parameters stand still and all others train.

    What is frozen also gets no training mode: BatchNorm keeps its statistics, dropout and drop-path
    do nothing. Has to be called again after anything that calls ``train()`` or ``eval()``.
    """
    still = frozenset(frozen)
    for name, parameter in classifier.named_parameters():
        parameter.requires_grad_(name not in still)
        if name in still:
            parameter.grad = None  # a zero would let momentum and weight decay move it
    set_modes(classifier, still)


def set_modes(classifier: Classifier, frozen: Collection[str]) -> None:
    """Put into training mode the modules that hold a trainable parameter. A module without
    parameters (dropout, drop-path, a norm without weights) goes by whether anything in its stage
    trains.
    """
    stage_of = _stages_of_parameters(classifier)
    trainable = {stage for name, stage in stage_of.items() if name not in frozen}
    inside: dict[str, set[str]] = {}
    owned: dict[str, str] = {}
    training: set[str] = set()
    for name, known_as in _parameters(classifier):
        stage, *around = stage_of[known_as], *_around(name)
        owned.setdefault(around[0], stage)
        training.update(() if known_as in frozen else around)
        for module_name in around:
            inside.setdefault(module_name, set()).add(stage)
    last = next(iter(classifier.stages))
    for name, module in classifier.named_modules():
        if name in inside:
            module.training = name in training
            last = owned.get(name, last)
        else:
            module.training = (_only_stage_around(name, inside) or last) in trainable


def frozen_tensors(classifier: Classifier, frozen: Collection[str]) -> dict[str, Tensor]:
    """Every tensor that may not change: frozen parameters, and buffers of modules at rest."""
    parameters = {n: p for n, p in classifier.named_parameters() if n in frozen}
    return parameters | {
        f"{name}.{key}".lstrip("."): buffer
        for name, module in classifier.named_modules()
        if not module.training
        for key, buffer in module.named_buffers(recurse=False)
    }


def changing_tensors(classifier: Classifier, frozen: Collection[str]) -> set[str]:
    """Names of everything that may change while the model trains, frozen as it is now."""
    every = {name for name, _ in [*classifier.named_parameters(), *classifier.named_buffers()]}
    return every - frozen_tensors(classifier, frozen).keys()


def digests(classifier: Classifier) -> dict[str, str]:
    """Name → SHA-256 of every parameter and buffer."""
    tensors = dict([*classifier.named_parameters(), *classifier.named_buffers()])
    with ThreadPoolExecutor(usable_cores()) as threads:  # hashing lets other threads run
        found = threads.map(lambda pair: fingerprint(dict([pair])), tensors.items())
        return dict(zip(tensors, found, strict=True))


def audit(
    classifier: Classifier,
    frozen: Collection[str],
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> tuple[str, ...]:
    """Compare the ``digests`` of a model from before and after it was trained.

    Returns:
        Names of the parameters that should have trained and did not move at all.

    Raises:
        FrozenMovedError: a frozen parameter or buffer is not what it was, to the last bit.
    """
    moved = sorted(n for n in frozen_tensors(classifier, frozen) if after[n] != before[n])
    if moved:
        more = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
        raise FrozenMovedError(
            f"{moved[0]}{more} was frozen and changed. Whatever changed it (a backbone that writes "
            "to a buffer outside training mode, a training step, a hook) must leave it alone"
        )
    trainable = (name for name, _ in classifier.named_parameters() if name not in frozen)
    return tuple(name for name in trainable if after[name] == before[name])


def _stages_of_parameters(classifier: Classifier) -> dict[str, str]:
    stages = {name: stage for stage, names in classifier.stages.items() for name in names}
    return stages | dict.fromkeys(classifier.head_names, "head")


def _parameters(classifier: Classifier) -> Iterator[tuple[str, str]]:
    """Every name that a parameter has, and the one it is known as: modules may share it."""
    known_as = {parameter: name for name, parameter in classifier.named_parameters()}
    for name, parameter in classifier.named_parameters(remove_duplicate=False):
        yield name, known_as[parameter]


def _around(name: str) -> Iterator[str]:
    """Names of the modules around a parameter or module, from the inside out; the network's is "".

    >>> [*_around("backbone.layer1.0.weight")]
    ['backbone.layer1.0', 'backbone.layer1', 'backbone', '']
    """
    while name:
        name = name.rpartition(".")[0]
        yield name


def _only_stage_around(name: str, inside: Mapping[str, Collection[str]]) -> str | None:
    """The stage of the nearest module around ``name`` that holds parameters, if it is just one.
    ``inside``: module → the stages of what it holds.
    """
    stages = next((inside[module] for module in _around(name) if module in inside), ())
    return next(iter(stages)) if len(stages) == 1 else None

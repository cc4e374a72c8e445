"""Frozen means frozen: no gradient, no decay, no statistics, no dropout; and an audit that proves
it.

A policy only names parameters. ``freeze`` is the one function that freezes them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from torch import Tensor, nn

from tlf.errors import FrozenMovedError
from tlf.model import Classifier
from tlf.pretrained.weights import fingerprint
from tlf.runtime.cores import usable_cores


def united(classifier: Classifier, answers: Iterable[Collection[str]]) -> frozenset[str]:
    """Names of the parameters that any of the freeze policies freezes.

    Raises:
        ValueError: a policy names something that is no parameter, or together they name all.
    """
    frozen = frozenset(name for answer in answers for name in answer)
    known = {*classifier.backbone_names, *classifier.head_names}
    if unknown := sorted(frozen - known):
        raise ValueError(
            f"the names of a freeze policy must be parameters of the model, got {unknown[0]!r}; "
            "write names that `tlf explain RECIPE --names` lists"
        )
    if frozen == known:
        raise ValueError("everything is frozen: the phase would train nothing")
    return frozen


def freeze(
    classifier: Classifier, frozen: Collection[str], modes: Mapping[nn.Module, bool] | None = None
) -> None:
    """Freeze the named parameters and let all others train.

    Frozen modules are put into eval mode: BatchNorm keeps its statistics, dropout and drop-path do
    nothing. Call it again after anything that calls ``train()`` or ``eval()``; with the ``modes``
    of all modules as it has left them, it takes less time.
    """
    names = frozenset(frozen)
    for name, parameter in classifier.named_parameters():
        parameter.requires_grad_(name not in names)
        if name in names:
            parameter.grad = None  # with a zero, momentum and weight decay would still move it
    if modes is None:
        set_modes(classifier, names)
    else:
        for module, training in modes.items():
            module.training = training


def set_modes(classifier: Classifier, frozen: Collection[str]) -> None:
    """Put modules that hold a trainable parameter into training mode, all others into eval mode. A
    module without parameters (dropout, drop-path, a norm without weights) is in training mode if
    its stage trains.
    """
    # PyTorch does not say which stage a dropout belongs to: it has no parameter that a stage names.
    # It is in the stage of the module around it, or else in that of the last module before it.
    stage_of = stages_of_parameters(classifier)
    trainable_stages = {stage for name, stage in stage_of.items() if name not in frozen}
    stages_in: dict[str, set[str]] = {}
    own_stage: dict[str, str] = {}
    trainable_modules: set[str] = set()
    for name, known_as in _parameters(classifier):
        stage, *modules = stage_of[known_as], *_around(name)
        own_stage.setdefault(modules[0], stage)
        trainable_modules.update(() if known_as in frozen else modules)
        for module_name in modules:
            stages_in.setdefault(module_name, set()).add(stage)
    last_stage = next(iter(classifier.stages))
    for name, module in classifier.named_modules():
        if name in stages_in:
            module.training = name in trainable_modules
            last_stage = own_stage.get(name, last_stage)
        else:
            stage = _only_stage_around(name, stages_in) or last_stage
            module.training = stage in trainable_stages


def frozen_tensors(classifier: Classifier, frozen: Collection[str]) -> dict[str, Tensor]:
    """Every tensor that may not change: frozen parameters, and buffers of modules in eval mode."""
    parameters = {n: p for n, p in classifier.named_parameters() if n in frozen}
    return parameters | {
        f"{name}.{key}".lstrip("."): buffer
        for name, module in classifier.named_modules()
        if not module.training
        for key, buffer in module.named_buffers(recurse=False)
    }


def changing_tensors(classifier: Classifier, frozen: Collection[str]) -> set[str]:
    """Names of the tensors that may change in training, with these parameters frozen."""
    every = {name for name, _ in [*classifier.named_parameters(), *classifier.named_buffers()]}
    return every - frozen_tensors(classifier, frozen).keys()


def digests(classifier: Classifier) -> dict[str, str]:
    """Name → SHA-256 of every parameter and buffer."""
    tensors = dict([*classifier.named_parameters(), *classifier.named_buffers()])
    with ThreadPoolExecutor(usable_cores()) as threads:  # hashing releases the GIL
        hashes = threads.map(lambda pair: fingerprint(dict([pair])), tensors.items())
        return dict(zip(tensors, hashes, strict=True))


def audit(
    classifier: Classifier,
    frozen: Collection[str],
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> tuple[str, ...]:
    """Compare the ``digests`` of a model before and after training.

    Returns:
        Names of the trainable parameters that did not change.

    Raises:
        FrozenMovedError: a frozen parameter or buffer changed, if only by a bit.
    """
    moved = sorted(n for n in frozen_tensors(classifier, frozen) if after[n] != before[n])
    if moved:
        more = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
        raise FrozenMovedError(
            f"{moved[0]}{more} was frozen and changed. A frozen tensor must not be changed by a "
            "backbone (a buffer written in eval mode), by a training step or by a hook"
        )
    trainable = (name for name, _ in classifier.named_parameters() if name not in frozen)
    return tuple(name for name in trainable if after[name] == before[name])


def stages_of_parameters(classifier: Classifier) -> dict[str, str]:
    """Parameter → its stage, or ``head``."""
    stages = {name: stage for stage, names in classifier.stages.items() for name in names}
    return stages | dict.fromkeys(classifier.head_names, "head")


def _parameters(classifier: Classifier) -> Iterator[tuple[str, str]]:
    """Every name of a parameter, and its first name: modules may share a parameter."""
    known_as = {parameter: name for name, parameter in classifier.named_parameters()}
    for name, parameter in classifier.named_parameters(remove_duplicate=False):
        yield name, known_as[parameter]


def _around(name: str) -> Iterator[str]:
    """Names of the modules around a parameter or module, from the inside out; "" is the network.

    >>> [*_around("backbone.layer1.0.weight")]
    ['backbone.layer1.0', 'backbone.layer1', 'backbone', '']
    """
    while name:
        name = name.rpartition(".")[0]
        yield name


def _only_stage_around(name: str, stages_in: Mapping[str, Collection[str]]) -> str | None:
    """The stage of the nearest module around ``name`` that holds parameters; None if it holds
    several stages. ``stages_in``: module → the stages of its parameters.
    """
    stages = next((stages_in[module] for module in _around(name) if module in stages_in), ())
    return next(iter(stages)) if len(stages) == 1 else None

"""The contract of a backbone."""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tlf.components import Backbone, BuiltBackbone
from tlf.freezing.freeze import digests, freeze, frozen_tensors
from tlf.model import Classifier
from tlf.preprocessing import Preprocessing
from tlf.pretrained.stages import RESERVED
from tlf.pretrained.weights import fingerprint
from tlf.runtime.seeds import seeded
from tlf.runtime.strict_json import dumps
from tlf.testing.contract import check_options, no_random_numbers, raising_only, require
from tlf.testing.eval_mode import check_all_train, check_eval_mode, check_state
from tlf.testing.second_process import check_second_process

HOOK = "tlf_backbones"


def check_backbone(backbone: Backbone, size: int | None = None) -> None:
    """Check that a backbone keeps its contract.

    Its options survive a recipe. Its stages hold every parameter once, beginning with ``stem``, in
    the order in which images pass them. It gives features (B, F), also under bfloat16, and maps
    (B, F, H, W) or tokens (B, N, F) from ``forward_features`` if it has that method. Its random
    weights come from torch's default generator alone, and every parameter has a gradient. With any
    first stages frozen, their outputs for an image depend on that image alone, and they write to no
    buffer. Safetensors can store its state. A trained run can be loaded: built again, by
    ``rebuild`` if it has that method, with its state, it gives the same features.

    A network of a single stage keeps the contract, too; a warning says what it cannot do.

    Parameters:
        backbone: the component, with its options; ``weights = "none"`` or the like is offline.
        size: side of the images in pixels, if not the size of its preprocessing.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    recipe = check_options(backbone, HOOK)
    built = _built(backbone)
    model = _check_parts(backbone, built)
    side = size or built.preprocessing.size
    with seeded(0, "images"):
        images = torch.randn(3, built.preprocessing.channels, side, side)
    _check_start(backbone, built)
    _check_outputs(backbone, built, images)
    _check_rebuilt(backbone, built, images)
    _check_order(backbone, built, images)
    check_state(backbone, built.module)
    module = built.module.train()
    check_all_train(backbone, module, module(images), "while training")
    for count in range(1, len(built.stages) + 1):
        _check_frozen(backbone, model, images, [*built.stages][:count])
    check_second_process(backbone, HOOK, recipe)
    _warn_of_one_stage(backbone, built)


def describe(backbone: Backbone) -> str:
    """Its first weights, and its stages."""
    built = _built(backbone)
    return f"{fingerprint(built.module.state_dict())} {dict(built.stages)}"


def _built(backbone: Backbone) -> BuiltBackbone:
    with seeded(0, "backbone"), raising_only(backbone, "build"):
        built = backbone.build()
    rule = "build gives a BuiltBackbone: module, num_features, stages, preprocessing, classifier"
    require(isinstance(built, BuiltBackbone), backbone, f"builds a {type(built).__name__}", rule)
    require(isinstance(built.module, nn.Module), backbone, "builds no nn.Module", rule)
    right = isinstance(built.preprocessing, Preprocessing)
    require(right, backbone, "gives no Preprocessing", rule)
    own = {name.split(".")[0] for name, _ in built.module.named_parameters()}
    require(
        isinstance(built.classifier, str) and bool(built.classifier),
        backbone,
        f"gives {built.classifier!r} as its classifier's name",
        "classifier is the architecture's name for its last layer, such as fc",
    )
    require(
        built.classifier not in own,
        backbone,
        f"still holds parameters under {built.classifier}, the name of its classifier",
        "the module has no classifier; the head is stored under that name",
    )
    return built


def _check_parts(backbone: Backbone, built: BuiltBackbone) -> Classifier:
    names = [*built.stages]
    require(
        names[:1] == ["stem"] and not RESERVED.difference({"stem"}) & {*names},
        backbone,
        f"calls its stages {names}",
        'the first stage is called "stem"; "backbone" and "head" have another meaning in recipes',
    )
    try:
        return Classifier(built.module, nn.Linear(built.num_features, 3), built.stages)
    except ValueError as error:
        raise AssertionError(
            f"{backbone!r} gives wrong stages: {error}. The contract: every parameter of "
            "the module is in exactly one stage"
        ) from error


def _warn_of_one_stage(backbone: Backbone, built: BuiltBackbone) -> None:
    layers = sum(parameter.ndim > 1 for parameter in built.module.parameters())
    if len(built.stages) == 1 and layers > 1:
        warnings.warn(
            f"{backbone!r} has {layers} layers in one stage, stem: recipes can freeze all of them "
            "or none by stage, and layer_decay has no effect on them. For more stages, give a "
            "dict of stage → names of parameters",
            stacklevel=3,
        )


def _check_start(backbone: Backbone, built: BuiltBackbone) -> None:
    with no_random_numbers(backbone, "build", but_torch=True):
        again = _built(backbone)
    require(
        fingerprint(again.module.state_dict()) == fingerprint(built.module.state_dict()),
        backbone,
        "starts with other weights under the same seed",
        "random weights come from torch's default generator alone: all processes start the same",
    )


def _check_rebuilt(backbone: Backbone, built: BuiltBackbone, images: Tensor) -> None:
    """Build the network as it is built when a run is loaded, and load its state."""
    rule = "a run is loaded into what rebuild(config) gives, or build() where there is no rebuild"
    stored = _stored_config(backbone, built)
    with seeded(1, "another"), raising_only(backbone, "rebuild"):
        rebuild = getattr(backbone, "rebuild", None)
        again = rebuild(stored) if rebuild else backbone.build()
    require(
        isinstance(again, BuiltBackbone) and isinstance(again.module, nn.Module),
        backbone,
        f"gives a {type(again).__name__} when it is built again",
        rule,
    )
    for field in ("num_features", "stages", "classifier"):
        first, second = getattr(built, field), getattr(again, field)
        require(first == second, backbone, f"has {field} = {second!r} when it is built again", rule)
    try:
        again.module.load_state_dict(built.module.state_dict())
    except RuntimeError as error:
        raise AssertionError(
            f"{backbone!r} does not take its own state when it is built again: "
            f"{' '.join(str(error).split())}. The contract: {rule}"
        ) from error
    with torch.no_grad(), raising_only(backbone, "the forward pass"):
        same = torch.equal(built.module.eval()(images), again.module.eval()(images))
    problem = "gives other features when its state is loaded into another build"
    require(same, backbone, problem, f"{rule}; all that matters is in its state and its config")


def _stored_config(backbone: Backbone, built: BuiltBackbone) -> Mapping[str, Any]:
    try:
        stored: Mapping[str, Any] = json.loads(dumps(dict(built.config)))
    except (TypeError, ValueError) as error:
        raise AssertionError(
            f"{backbone!r} has a config that cannot be stored: {error}. The contract: config is a "
            "mapping of values of JSON"
        ) from error
    return stored


def _check_outputs(backbone: Backbone, built: BuiltBackbone, images: Tensor) -> None:
    module, width = built.module.eval(), built.num_features
    for batch in (images, images[:1], images.contiguous(memory_format=torch.channels_last)):
        with torch.no_grad(), raising_only(backbone, f"the forward pass on {tuple(batch.shape)}"):
            features = module(batch)
        require(
            tuple(features.shape) == (len(batch), width),
            backbone,
            f"gives {tuple(features.shape)} for {len(batch)} images",
            f"features are (B, F), and num_features is F = {width}",
        )
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), raising_only(backbone, "bfloat16"):
        half = module(images)
    require(bool(torch.isfinite(half).all()), backbone, "is not finite under bfloat16", "it is")
    check_eval_mode(
        backbone, module, lambda x: {"features": module(x)}, images, "in evaluation mode"
    )
    if hasattr(module, "forward_features"):
        with torch.no_grad(), raising_only(backbone, "forward_features"):
            maps = module.forward_features(images)  # type: ignore[operator]
        axis = {4: 1, 3: 2}.get(maps.ndim)
        require(
            axis is not None and maps.shape[0] == len(images) and maps.shape[axis] == width,
            backbone,
            f"gives {tuple(maps.shape)} from forward_features",
            f"it gives maps (B, F, H, W) or tokens (B, N, F), F = {width}; or leave the method out",
        )


def _check_order(backbone: Backbone, built: BuiltBackbone, images: Tensor) -> None:
    """Check that stages are in the order in which their modules are first called."""
    stage_of = {name: stage for stage, names in built.stages.items() for name in names}
    called: list[str] = []

    def note(stage: str) -> Any:  # noqa: ANN401 - torch's own type for it is private
        return lambda *_: called.append(stage)

    hooks = []
    for name, module in built.module.named_modules():
        own = [f"{name}.{key}".lstrip(".") for key, _ in module.named_parameters(recurse=False)]
        inside = {stage_of[f"{name}.{key}".lstrip(".")] for key, _ in module.named_parameters()}
        # A module around several stages is called before any of them.
        if own and len(inside) == 1:
            hooks.append(module.register_forward_pre_hook(note(stage_of[own[0]])))
    with torch.no_grad():
        built.module.eval()(images)
    for hook in hooks:
        hook.remove()
    first = [*dict.fromkeys(called)]
    expected = [stage for stage in built.stages if stage in first]
    require(
        first == expected,
        backbone,
        f"lists its stages as {expected}, and images pass them as {first}",
        "stages go from the stem to the top: up-to, gradual and layer_decay rely on it",
    )


def _check_frozen(backbone: Backbone, model: Classifier, images: Tensor, frozen: list[str]) -> None:
    """Freeze the first stages, train the others, and compare the outputs of the frozen ones."""
    names = [name for stage in frozen for name in model.stage(stage)]
    freeze(model, names)
    tensors, before = frozen_tensors(model, names), digests(model)
    where = f"with the stages up to {frozen[-1]} frozen and the others training"
    found: list[Mapping[str, Tensor]] = []
    with _watched(model, frozen) as outputs, seeded(0, "above"):
        # A batch, the same batch, and a batch with the same first image.
        others = torch.cat([images[:1], images[1:].flip(0) * 0.5 + 1])
        for batch in (images, images, others):
            with raising_only(backbone, f"the forward pass {where}"):
                model(batch).sum().backward()
            found.append(dict(outputs))
            outputs.clear()
    model.zero_grad(set_to_none=True)
    after = digests(model)
    changed = [name for name in tensors if after[name] != before[name]]
    rule = "what is frozen does not change in any bit, and neither do its buffers"
    require(not changed, backbone, f"writes to {changed[:1]} {where}", rule)
    for name, output in found[0].items():
        again, other = found[1][name], found[2][name]
        same = torch.equal(output, again)
        rule = "outputs of frozen stages are computed once and cached: no random numbers, no state"
        require(
            same, backbone, f"gives a different output of {name} for the same images {where}", rule
        )
        own = output.shape[0] != len(images) or torch.equal(output[0], other[0])
        problem = f"lets the other images of a batch change an image's output of {name} {where}"
        rule = "the output of frozen stages for an image depends on that image alone"
        require(own, backbone, problem, rule)


@contextmanager
def _watched(model: Classifier, frozen: list[str]) -> Iterator[dict[str, Tensor]]:
    """Record the outputs of all modules in the frozen stages."""
    parameters = {name for stage in frozen for name in model.stage(stage)}
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:  # noqa: ANN401 - torch's own type for it is private
        def hook(module: nn.Module, given: object, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim > 1:
                outputs[name] = output.detach().clone()

        return hook

    hooks = []
    for name, module in model.named_modules():
        own = {key for key, _ in module.named_parameters(prefix=name)}
        if own and own <= parameters:
            hooks.append(module.register_forward_hook(keep(name)))
    yield outputs
    for hook in hooks:
        hook.remove()

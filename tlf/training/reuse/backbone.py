"""A model whose backbone is built, or taken over from an earlier job that has the same one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tlf.components import BuiltBackbone
from tlf.model import Classifier
from tlf.pretrained.weights import fingerprint
from tlf.recipe.build import build_backbone, with_head
from tlf.recipe.plan import Plan, cache_of
from tlf.training.segments.probes import ProbeAnswers
from tlf.training.segments.stored_answers import StoredAnswers, stores_answers

if TYPE_CHECKING:
    from accelerate import Accelerator

    from tlf.training.job import Job


def model_of(
    plan: Plan, classes: int, earlier: "Sequence[Job]"
) -> tuple[BuiltBackbone, Classifier, str, bool]:
    """The backbone, built or taken over from an earlier job, and the model with a new head; the
    SHA-256 of the backbone's weights, and whether they may depend on the seed.
    """
    if (before := _built_before(earlier, plan)) is not None:
        built, drawn = before.built, before.drawn
    else:
        built, drawn = build_backbone(plan, plan.recipe.transforms.size)
    classifier = with_head(plan, built, classes)
    if before is not None and plan.recipe.start_from is None:
        return built, classifier, before.backbone_sha256, drawn
    # start_from is read anew: its run may have gone on.
    sha256 = fingerprint(built.module.state_dict())
    return built, classifier, sha256, drawn and _depends_on_seed(earlier, plan, sha256)


def known_of(earlier: "Sequence[Job]", plan: Plan, accelerator: "Accelerator") -> ProbeAnswers:
    """What probes have found of the same backbone with a head that computes alike; nothing, where
    no earlier job has both. What other processes have found is in the cache.
    """
    same = (job for job in _alike(earlier, plan) if _heads_compute_alike(plan, job.plan))
    known = next((job.probe_answers for job in same), ProbeAnswers())
    return replace(known, stored=_stored_of(plan, accelerator))


def _stored_of(plan: Plan, accelerator: "Accelerator") -> StoredAnswers | None:
    """The answers of probes in the cache; None where they are not stored."""
    recipe, offer = plan.recipe, plan.plugins.catalogue.offer
    cache = cache_of(recipe)
    if cache is None or _touches(plan) or not stores_answers(accelerator):
        return None
    components: tuple[object, ...] = (recipe.backbone, recipe.head)
    return StoredAnswers(cache, tuple((one, offer(one)) for one in components))


def remembered(
    known: ProbeAnswers, classifier: Classifier, sha256: str
) -> Callable[[Tensor], Tensor]:
    """``features`` of a model in eval mode, which computes them once for the same images.

    Parameters:
        known: of the same backbone; what is computed is added to it.
        classifier: the model.
        sha256: of its backbone's weights as they are now.
    """

    def features(images: Tensor) -> Tensor:
        if images.device.type != "cpu":  # settings of the run choose its arithmetic
            return classifier.features(images)
        pools = bool(getattr(classifier.head, "pools", False))
        given = fingerprint({"": images}), images.stride(), torch.get_num_threads()
        key = sha256, pools, *given
        if key not in known.features:
            known.features[key] = classifier.features(images)
        return known.features[key].clone()  # a head may write into what it gets

    return features


def _heads_compute_alike(one: Plan, other: Plan) -> bool:
    """Whether heads with the same layers compute alike. An option of a plugin's head may decide
    what it does with them.
    """
    names = {plan.plugins.catalogue.offer(plan.recipe.head).plugin.name for plan in (one, other)}
    return names == {"tlf"} or one.recipe.head == other.recipe.head


def _built_before(earlier: "Sequence[Job]", plan: Plan) -> "Job | None":
    """The earlier job whose backbone is what a recipe would build, to the last bit; None if there
    is none, so that it has to be built.

    A run that has trained a backbone has changed it.
    """
    same = (j for j in _alike(earlier, plan) if plan.recipe.seed == j.recipe.seed or not j.drawn)
    return next((job for job in same if _is_unchanged(job)), None)


def _depends_on_seed(earlier: "Sequence[Job]", plan: Plan, sha256: str) -> bool:
    """Whether weights that were drawn depend on the seed, for all that earlier jobs show: where
    another seed has given the same bits, they do not. timm draws weights before it loads some.
    """
    other = (job for job in _alike(earlier, plan) if job.recipe.seed != plan.recipe.seed)
    return all(job.backbone_sha256 != sha256 for job in other)


def _alike(earlier: "Sequence[Job]", plan: Plan) -> "Iterator[Job]":
    """The jobs, the latest first, that have the same backbone but for the seed."""
    for job in reversed(earlier):
        one, other = plan.recipe, job.recipe
        if (
            one.backbone == other.backbone
            and one.start_from == other.start_from
            and one.transforms.size == other.transforms.size
            and plan.plugins.loaded == job.plan.plugins.loaded
            and not any(map(_touches, (plan, job.plan)))
        ):
            yield job


def _touches(plan: Plan) -> bool:
    """Whether a plugin gets the model in its hands: it may do anything to it."""
    return plan.plugins.replaces_step or bool(plan.plugins.changing)


def _is_unchanged(job: "Job") -> bool:
    """Whether the backbone of a job has the weights that were loaded."""
    return fingerprint(job.built.module.state_dict()) == job.backbone_sha256

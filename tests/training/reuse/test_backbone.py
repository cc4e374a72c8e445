"""A backbone is taken over from an earlier job where building it would give the same bits."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from small import TWO_PHASES, write_recipe
from tlf.catalogue import Catalogue
from tlf.errors import RecipeError
from tlf.pretrained.weights import fingerprint
from tlf.recipe.build import build_backbone
from tlf.recipe.plan import plan_of, read_plan
from tlf.runtime.devices import start_accelerator
from tlf.training.job import open_job
from tlf.training.reuse import backbone
from tlf.training.segments.probes import ProbeAnswers


@pytest.fixture(scope="module")
def plan(tmp_path_factory, images, tiny_weights):
    path = write_recipe(tmp_path_factory.mktemp("reuse") / "recipe.toml", images, TWO_PHASES)
    return read_plan(path, [f"backbone.weights={tiny_weights}"])


@pytest.fixture
def job(plan):
    return open_job(plan, start_accelerator("no"))


def _next(job, *overrides):
    return open_job(plan_of(job.plan, overrides), job.accelerator, [job])


def _known(job):
    """What probes have found: jobs share it, not a copy of it."""
    return job.probe_answers.partitions


def test_the_backbone_is_taken_over_and_the_head_is_new(job):
    assert not job.drawn
    one = _next(job, "seed=1")
    assert one.built is job.built
    assert _known(one) is _known(job)
    assert one.backbone_sha256 == job.backbone_sha256
    alone = open_job(plan_of(job.plan, ["seed=1"]), job.accelerator)
    assert alone.built is not job.built
    for name, tensor in one.classifier.state_dict().items():
        assert torch.equal(tensor, alone.classifier.state_dict()[name])


@pytest.mark.parametrize("override", ["transforms.size=24", "backbone.drop_path=0.1"])
def test_another_backbone_is_built(job, override):
    other = _next(job, override)
    assert other.built is not job.built
    assert _known(other) is not _known(job)


def test_a_backbone_that_was_trained_is_built_anew(job):
    with torch.no_grad():
        job.classifier.backbone.conv1[0].weight[0, 0, 0, 0] += 1e-3
    other = _next(job)
    assert other.built is not job.built
    assert other.backbone_sha256 == job.backbone_sha256
    assert (
        other.probe_answers.partitions is job.probe_answers.partitions
    )  # they say in which state they were found


def test_a_model_that_a_run_starts_from_may_have_changed_since(job, tmp_path):
    path = tmp_path / "model.safetensors"

    def save():
        head = job.classifier.head.state_dict()
        tensors = {f"{job.built.classifier}.{name}": tensor for name, tensor in head.items()}
        tensors |= job.built.module.state_dict()
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)

    save()
    first = _next(job, f"start_from={path}")
    with torch.no_grad():
        job.classifier.backbone.conv1[0].weight += 1
    save()
    second = _next(first, f"start_from={path}")
    assert second.built is first.built
    assert second.backbone_sha256 == fingerprint(job.built.module.state_dict())


def test_features_of_the_same_images_are_computed_once(job, threads):
    computed = []

    class Counted:
        head = job.classifier.head

        def features(self, images):
            computed.append(images)
            return job.classifier.features(images)

    known, images = ProbeAnswers(), torch.randn(2, 3, 32, 32)
    job.classifier.eval()
    with torch.no_grad():
        first = backbone.remembered(known, Counted(), "a")(images)
        expected = first.clone()
        first.zero_()  # as a head may do
        assert torch.equal(backbone.remembered(known, Counted(), "a")(images), expected)
        assert len(computed) == 1
        backbone.remembered(known, Counted(), "of other weights")(images)
        backbone.remembered(known, Counted(), "a")(images + 1)
        threads(torch.get_num_threads() + 1)
        backbone.remembered(known, Counted(), "a")(images)
    assert len(computed) == 4


def test_the_next_job_of_the_same_backbone_tries_its_head_on_known_features(job, monkeypatch):
    def fail(*_):
        raise ValueError("it was computed")

    monkeypatch.setattr(type(job.classifier), "features", fail)
    assert _next(job, "seed=1").built is job.built
    with pytest.raises(RecipeError, match="it was computed"):
        _next(job, "transforms.size=24")


def test_options_of_a_plugins_head_may_decide_what_probes_find(job, monkeypatch):
    assert _known(_next(job, "head.dropout=0.5")) is _known(job)
    offer = Catalogue.offer

    def of_plugin(catalogue, component):
        found = offer(catalogue, component)
        named = replace(found.plugin, name="mine")
        return replace(found, plugin=named) if found.hook == "tlf_heads" else found

    monkeypatch.setattr(Catalogue, "offer", of_plugin)
    assert _known(_next(job, "seed=1")) is _known(job)
    assert (
        _next(job, "head.dropout=0.5").probe_answers.partitions is not job.probe_answers.partitions
    )


def test_weights_that_a_seed_draws_belong_to_it(job):
    drawn = _next(job, "backbone.weights=none")
    assert drawn.drawn
    assert _next(drawn).built is drawn.built
    assert _next(drawn, "seed=1").backbone_sha256 != drawn.backbone_sha256


def test_weights_that_two_seeds_give_alike_depend_on_none(job, monkeypatch):
    """As where timm draws weights, and then loads others."""
    monkeypatch.setattr(backbone, "build_backbone", lambda *a: (build_backbone(*a)[0], True))
    first = replace(job, drawn=True)
    second = _next(first, "seed=1")
    assert second.built is not first.built
    assert not second.drawn
    assert _next(second, "seed=2").built is second.built


def test_a_plugin_that_gets_the_model_may_have_changed_it(job, monkeypatch):
    monkeypatch.setattr(type(job.plan.plugins), "changing", ("mine",))
    assert _next(job).built is not job.built

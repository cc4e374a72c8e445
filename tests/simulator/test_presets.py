from dataclasses import replace

import pytest

from tlf.recipe.plan import plan_of
from tlf.simulator.presets import presets


@pytest.fixture
def presets_with(simulation):
    """The presets of a simulation, with other phases."""

    def changed(*overrides, **more):
        plan = plan_of(replace(simulation.job.plan, splits=None), overrides)
        job = replace(simulation.job, plan=plan)
        options = {"batch": 4, "initialisations": ("pretrained", "random"), "naive": True}
        return presets(job, **options | more)

    return changed


def trained(preset):
    return [stage for stage, count in preset.trains.items() if count]


def test_presets_of_a_network_with_all_of_them(presets_with):
    found = {preset.id: preset for preset in presets_with()}
    assert [*found] == ["head", "last", "norms", "all", "sandwich", "naive", "random"]
    assert trained(found["head"]) == trained(found["naive"]) == trained(found["random"]) == ["head"]
    assert trained(found["last"]) == ["layer4", "head"]
    assert trained(found["sandwich"]) == ["layer2", "head"]
    assert trained(found["norms"]) == trained(found["all"]) == [*found["all"].settings.stages]
    assert sum(found["norms"].trains.values()) < sum(found["all"].trains.values()) / 10
    assert found["norms"].settings.stages["layer1"] == "norms"
    assert found["norms"].settings.stages["head"] == "trainable"
    assert [p.id for p in found.values() if p.settings.naive] == ["naive"]
    assert [p.id for p in found.values() if p.settings.weights == "random"] == ["random"]
    assert {preset.settings.batch for preset in found.values()} == {4}


def test_titles_are_short_and_name_the_phase_that_begins_like_this(presets_with):
    found = {preset.id: preset for preset in presets_with()}
    assert found["head"].title == "Head only (head)"
    assert found["all"].title == "Everything (all)"
    for preset in found.values():
        assert len(preset.title.split()) <= 3
        assert preset.text.endswith(".")
        assert len(preset.text) <= 90
        assert preset.rates.endswith(".")


def test_what_cannot_differ_is_left_out(presets_with, odd):
    found = presets_with(naive=False, initialisations=("random",))
    assert [preset.id for preset in found] == ["head", "last", "norms", "all", "sandwich"]
    assert {preset.settings.weights for preset in found} == {"random"}
    one = odd("stages = 1").scene
    assert [preset.id for preset in one.presets] == ["head", "norms", "all", "naive"]
    assert one.initialisations == ("pretrained",)


def test_sixty_stages_have_a_sandwich_in_the_middle(odd):
    found = {preset.id: preset for preset in odd("stages = 60").scene.presets}
    assert trained(found["sandwich"]) == ["convs.29", "head"]
    assert len(found["sandwich"].settings.stages) == 61


def test_phases_that_freeze_something_else_are_presets(presets_with):
    *_, found = presets_with('phases.head.freeze="norms"')
    assert (found.id, found.title) == ("phase1", "Phase head")
    assert found.text == "What the phase head of the recipe freezes at its start."
    assert found.settings.stages["layer1"] == "phase1"
    assert found.settings.lr == {"head": 0.1, "backbone": 0.1}


def test_a_gradual_phase_has_some_of_its_segments(presets_with):
    thaw = 'phases.all.freeze={ kind = "gradual", thaw = 1, every = 2 }'
    found = {preset.id: preset for preset in presets_with(thaw, "phases.all.epochs=11")}
    assert found["last"].title == "Last stage (all)"
    assert found["all"].title == "Everything (all)"
    assert len(found) == 8
    assert found["phase2-epoch5"].title == "all, epoch 5"
    assert trained(found["phase2-epoch5"]) == ["layer3", "layer4", "head"]


def test_there_are_eight_at_most_and_the_recipe_comes_before_what_is_general(presets_with):
    only = (
        '{{ name = "{0}", epochs = 1, lr = 0.1, freeze = {{ kind = "only", stages = ["{0}"] }} }}'
    )
    phases = ", ".join(map(only.format, ("stem", "layer1", "layer2", "layer3")))
    found = [preset.id for preset in presets_with(f"phases=[{phases}]")]
    assert found == ["head", "last", "all", "naive", "phase1", "phase2", "phase3", "phase4"]


def test_a_phase_that_depends_on_results_has_what_they_may_lead_to(presets_with):
    thaw = 'phases.all.freeze={ kind = "plateau", patience = 1 }'
    found = [
        preset for preset in presets_with(thaw, "phases.all.epochs=9") if preset.id[:5] == "phase"
    ]
    assert [preset.title for preset in found] == ["all, later"]
    assert found[0].text == (
        "What the phase all of the recipe may freeze later, as its results decide."
    )


def test_a_long_name_of_a_phase_is_cut(presets_with):
    found = presets_with("phases.head.name=" + "x" * 40)
    assert found[0].title == "Head only (" + "x" * 23 + "…)"

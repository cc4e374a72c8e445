"""What comparisons and sweeps share of their runs. Whole runs: test_compare.py, test_sweep.py."""

import pytest

from small import TWO_PHASES, write_recipe
from tlf.errors import RunError
from tlf.events import Notice, Prepared, Updated
from tlf.recipe.files import dump
from tlf.recipe.plan import plan_of
from tlf.runs.folder import RunStarted
from tlf.studies import study_runs
from tlf.studies.study_runs import RunSeries, check_same_recipe, each_note_once, make_room, shown


@pytest.fixture
def plan(tmp_path, images):
    return plan_of(write_recipe(tmp_path / "recipe.toml", images, TWO_PHASES))


def test_what_a_killed_run_began_makes_room_and_nothing_else_does(tmp_path):
    begun = tmp_path / "begun"
    make_room(begun)
    begun.mkdir()
    (begun / "lock").touch()
    (begun / "provenance.json").touch()
    make_room(begun)
    assert not begun.exists()
    begun.mkdir()
    (begun / "thesis.txt").touch()
    with pytest.raises(RunError, match="must be a run, got 'thesis"):
        make_room(begun)
    assert (begun / "thesis.txt").exists()
    with pytest.raises(RunError, match="got 'thesis"):
        make_room(begun / "thesis.txt")


def test_a_run_gets_the_last_job_of_each_backbone_the_latest_last(plan, tmp_path, monkeypatch):
    given = []

    def begun(plan, earlier):
        given.append(earlier)
        yield Notice("a")
        yield RunStarted(tmp_path, f"job {len(given)}", 0)

    monkeypatch.setattr(study_runs, "run", begun)
    other, series = plan_of(plan, ["backbone.drop_path=0.1"]), RunSeries()
    assert [*series.run(plan)] == [Notice("a"), RunStarted(tmp_path, "job 1", 0)]
    for one in (other, plan, plan):
        [*series.run(one)]
    assert given == [[], ["job 1"], ["job 1", "job 2"], ["job 2", "job 3"]]
    assert [*series.jobs.values()] == ["job 2", "job 4"]


def test_progress_counts_the_train_images_of_all_epochs(plan):
    epochs = sum(phase.epochs for phase in plan.recipe.phases)
    half = Updated("head", None, evaluating=False, done=10, images=20)
    evaluated = Updated("head", None, evaluating=True, done=5, images=11)
    told = [*shown(iter([half, evaluated, Notice("a")]), plan, "run 1")]
    assert told == [Prepared("run 1", 10, epochs * 20), Notice("a")]


def test_a_note_names_its_run_and_is_told_once():
    def made(*texts):
        yield from map(Notice, texts)
        return len(texts)

    def told_by(name, *texts):
        result = yield from each_note_once(made(*texts), name, told)
        assert result == len(texts)

    told = set()
    assert [*told_by("trial 0", "class 'a' is small", "loss 0.9")] == [
        Notice("trial 0: class 'a' is small"), Notice("trial 0: loss 0.9"),
    ]  # fmt: skip
    assert [*told_by("trial 1", "class 'a' is small", "loss 0.8")] == [Notice("trial 1: loss 0.8")]


def test_a_run_with_weights_of_another_name_is_one_of_another_recipe(plan, tmp_path):
    output = tmp_path / "run"
    output.mkdir()

    def check(there, here):
        recorded, own = (plan_of(plan, [f"backbone.weights={name}"]) for name in (there, here))
        text = dump(recorded.recipe, plan.plugins.catalogue)
        (output / "recipe.toml").write_text(text, encoding="utf-8")
        check_same_recipe(output, own, paths=["backbone.weights"])

    check("/there/model.safetensors", "/here/model.safetensors")
    for there, here in [("none", "a1_in1k"), ("none", "/here/model.safetensors")]:
        with pytest.raises(RunError, match=r"of another recipe \(backbone.weights differs\)"):
            check(there, here)

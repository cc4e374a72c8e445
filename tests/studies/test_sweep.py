"""``tlf.sweep``: a study in a folder, which any number of processes share."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

import tlf
from places import ROOT
from small import write_recipe
from tlf.errors import RunError, TrainingError, UnwritableError
from tlf.events import Notice
from tlf.recipe.plan import plan_of
from tlf.studies import study_runs
from tlf.studies.accuracy import percent
from tlf.studies.sweep import same_study, sweep, trial_runs
from tlf.studies.sweep.files import as_json
from tlf.studies.sweep.journal import open_journal
from tlf.studies.sweep.ranges import Choices, Range
from tlf.studies.sweep.suggest import check_sampler, falls_behind, suggest
from tlf.studies.sweep.swept import COMPLETE, PRUNED, RUNNING, TrialEnded

HEAD = """
checkpoint_every = { updates = 1 }
[[phases]]
name = "head"
freeze = "backbone"
epochs = 2
lr = 0.1
"""
RANGES = ["phases.head.lr=1e-3..1", "optimizer=sgd,adamw"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, images):
    return write_recipe(tmp_path_factory.mktemp("recipe") / "mine.toml", images, HEAD)


@pytest.fixture(scope="module")
def events(recipe, tmp_path_factory):
    """Those of a study of three trials. No test may change its folder."""
    output = tmp_path_factory.mktemp("studies") / "sweep"
    return list(tlf.sweep(recipe, RANGES, trials=3, output=output))


@pytest.fixture(scope="module")
def swept(events):
    return events[-1]


@pytest.fixture
def study(swept, tmp_path):
    """A copy of its folder, to be changed."""
    return shutil.copytree(swept.folder, tmp_path / "sweep")


def one_sweep(recipe, output, **options):
    *_, found = tlf.sweep(recipe, RANGES, output=output, **options)
    return found


def until(events, kind):
    """Take events up to the first of a kind."""
    return next(event for event in events if isinstance(event, kind))


def test_the_recipe_of_the_best_trial_gives_its_figures(events, swept, tmp_path):
    assert [one.state for one in swept.trials] == [COMPLETE] * 3
    ended = [event for event in events if isinstance(event, TrialEnded)]
    assert [event.ended for event in ended] == [1, 2, 3]
    best = max(swept.trials, key=lambda one: (one.best.figure, -one.best.loss))
    assert swept.ranked[0] == best == ended[-1].best
    text = swept.best_file.read_text(encoding="utf-8")
    assert text.startswith(f"# The best of 3 trials of {swept.source}: trial {best.number}, top-1 ")
    assert f"how much? tlf compare {swept.source} {swept.best_file} --seeds 10 --output " in text
    *_, result = tlf.run(swept.best_file, [f"output={tmp_path}/again"])
    assert (result.best.eval_top1, result.best.eval_loss) == (best.best.figure, best.best.loss)


def test_a_recipe_of_a_program_is_written_for_the_command_that_compares(recipe, tmp_path):
    given = tlf.load_recipe(recipe, ["batch_size=4"])
    found = one_sweep(given, tmp_path, trials=1)
    text = found.best_file.read_text(encoding="utf-8")
    assert f"tlf compare {tmp_path}/base.toml {found.best_file} --seeds 10 --output " in text
    assert tlf.load_recipe(tmp_path / "base.toml") == given


def test_trials_have_the_settings_the_seed_and_the_cache_of_one_study(swept):
    for one in swept.trials:
        made = tlf.load_recipe(swept.folder / "trials" / str(one.number) / "recipe.toml")
        assert (made.seed, made.phases[0].lr) == (0, one.values["phases.head.lr"])
        assert type(made.optimizer).__name__.lower() == one.values["optimizer"]
    assert len({tuple(one.values.values()) for one in swept.trials}) == 3


def test_the_same_command_goes_on_and_makes_no_trial_again(recipe, swept, study):
    before = {path: path.stat().st_mtime_ns for path in study.glob("trials/*/model.safetensors")}
    assert one_sweep(recipe, study, trials=3).trials == swept.trials
    more = one_sweep(recipe, study, trials=4)
    assert more.trials[:3] == swept.trials
    assert len(more.trials) == 4
    assert before.items() <= {p: p.stat().st_mtime_ns for p in before}.items()
    assert sorted(path.name for path in study.iterdir()) == ["best.toml", "journal.log", "trials"]


def test_a_trial_that_was_interrupted_is_resumed_and_ends_the_same(recipe, swept, tmp_path):
    interrupted = tlf.sweep(recipe, RANGES, trials=3, output=tmp_path)
    until(interrupted, TrialEnded)
    for event in interrupted:  # the journal says that trial 1 is running
        if isinstance(event, tlf.Prepared) and event.done >= 28:
            break
    interrupted.close()
    run = tmp_path / "trials" / "1"
    assert (run / "metrics.jsonl").is_file()
    assert not (run / "model.safetensors").exists()
    again = one_sweep(recipe, tmp_path, trials=3)
    assert [replace(one, seconds=0) for one in again.trials] == [
        replace(one, seconds=0) for one in swept.trials
    ]


def test_two_workers_share_a_study(recipe, tmp_path):
    first = tlf.sweep(recipe, RANGES, trials=2, output=tmp_path)
    until(first, tlf.Prepared)
    second = one_sweep(recipe, tmp_path, trials=2)
    assert [one.state for one in second.trials] == [RUNNING, COMPLETE]
    assert "1 to the end, 1 running" in str(second)
    *_, last = first
    assert [one.state for one in last.trials] == [COMPLETE, COMPLETE]
    assert last.trials[1] == second.trials[1]
    assert not (tmp_path / "claims").exists()


@pytest.mark.slow
def test_of_two_processes_one_is_killed_and_its_trial_ends_as_if_not(recipe, tmp_path):
    given = [*RANGES, "phases.head.epochs=30"]
    command = [sys.executable, "-m", "tlf", "sweep", recipe, *given, "--trials", "4"]
    command = [*map(str, command), "--no-pruning", "--output", str(tmp_path / "shared")]
    workers = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    trial = in_the_middle(tmp_path / "shared")
    owner = (tmp_path / "shared" / "claims" / trial / "lock").read_text()
    killed = next(one for one in workers if f"process {one.pid}," in owner)
    killed.kill()
    assert [one.wait(timeout=120) for one in workers if one is not killed] == [0]
    assert killed.wait() == -signal.SIGKILL
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=True).returncode == 0
    *_, whole = tlf.sweep(recipe, given, trials=4, pruning=False, output=tmp_path / "whole")
    *_, shared = tlf.sweep(recipe, given, trials=4, pruning=False, output=tmp_path / "shared")
    assert [replace(one, seconds=0) for one in shared.trials] == [
        replace(one, seconds=0) for one in whole.trials
    ]


def in_the_middle(study):
    """The trial that first has trained two of its epochs."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for file in study.glob("trials/*/metrics.jsonl"):
            if 2 <= len(file.read_text().splitlines()) < 28:
                return file.parent.name
        time.sleep(0.002)
    raise TimeoutError("no trial has trained two epochs")


def test_a_worker_that_was_killed_before_it_noted_the_end_loses_nothing(
    recipe, swept, study, monkeypatch
):
    monkeypatch.setattr(study_runs, "run", None)  # nothing is trained
    monkeypatch.setattr(trial_runs, "resume", None)
    journal = study / "journal.log"
    *before, _result, _state = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(before))
    assert one_sweep(recipe, study, trials=3).trials == swept.trials


def test_a_record_that_was_cut_off_is_removed(recipe, swept, study):
    with (study / "journal.log").open("a") as file:
        file.write('{"op_code":4,"wor')
    assert len(one_sweep(recipe, study, trials=4).trials) == 4
    assert len(one_sweep(recipe, study, trials=4).trials) == 4


def test_a_record_that_another_process_cut_off_is_removed_before_the_next(study):
    mine = open_journal(study, higher_is_better=True)
    with (study / "journal.log").open("a") as file:
        file.write('{"op_code":4,"wor')  # its disk is full
    with mine.alone():
        mine.note("fact", 1)
    for journal in (mine, open_journal(study, higher_is_better=True)):
        assert journal.facts()["fact"] == 1
        assert len(journal.trials()) == 3


def test_a_run_that_the_journal_does_not_know_is_not_taken_for_a_trial(recipe, study):
    (study / "journal.log").unlink()
    before = (study / "trials" / "0" / "recipe.toml").read_bytes()
    with pytest.raises(
        RunError, match=r"trials/0 holds a run of another recipe \(phases.0.lr diff"
    ):
        list(tlf.sweep(recipe, [*RANGES, "seed=1"], output=study))
    assert (study / "trials" / "0" / "recipe.toml").read_bytes() == before


def test_a_damaged_journal_is_named(recipe, study):
    path = study / "journal.log"
    path.write_text("not JSON\n" + path.read_text())
    with pytest.raises(RunError, match=r"journal.log must be the journal of a study"):
        one_sweep(recipe, study)


@pytest.mark.parametrize(
    ("ranges", "options", "told"),
    [
        ([*RANGES, "batch_size=4"], {}, "batch_size is 8 there and 4 here"),
        ([RANGES[0]], {}, "optimizer is sgd,adamw there and not set here"),
        (["phases.head.lr=1e-2..1", RANGES[1]], {}, "0.001..1:log there and 0.01..1:log here"),
        (RANGES, {"sampler": "random"}, "sampler is tpe there and random here"),
    ],
)
def test_another_study_is_refused(recipe, swept, ranges, options, told):
    with pytest.raises(RunError, match=re.escape(told)):
        list(tlf.sweep(recipe, ranges, output=swept.folder, **options))


def test_other_images_are_refused_and_the_trial_is_left_to_others(
    recipe, images, swept, study, tmp_path
):
    other = shutil.copytree(images, tmp_path / "images")
    picture = next((other / "train" / "circles").glob("*.jpg"))
    picture.write_bytes(picture.read_bytes() + b"\0")
    moved = write_recipe(tmp_path / "moved.toml", other, HEAD)
    with pytest.raises(RunError, match="same train images, to the byte, and those of this comp"):
        one_sweep(moved, study, trials=4)
    assert not (study / "trials" / "3").exists()
    assert [one.state for one in one_sweep(recipe, study, trials=4).trials] == [COMPLETE] * 4


def job_with(backbone, head="drawn", start_from=None):
    return SimpleNamespace(
        manifests={"train": "a", "eval": "b"},
        splits=SimpleNamespace(eval=[1, 2]),
        recipe=SimpleNamespace(start_from=start_from),
        backbone_sha256=backbone,
        head_sha256=head,
    )


def test_trials_that_build_the_backbone_alike_must_have_the_same_weights(tmp_path):
    journal = open_journal(tmp_path, higher_is_better=True)
    for values, sha256 in [
        ({"transforms.size": 24, "phases.0.lr": 0.1}, "first"),
        ({"transforms.size": 24, "phases.0.lr": 0.2}, "first"),
        ({"transforms.size": 32, "phases.0.lr": 0.2}, "other"),
        ({"transforms": "{ size = 24 }"}, "other"),
        ({"backbone.drop_path": 0.1}, "another"),
        ({"extensions": "[]"}, "changed"),
    ]:
        same_study.check_images(journal, job_with(sha256), values)
    with pytest.raises(RunError, match=r"same weights of the backbone with transforms.size=24, "):
        same_study.check_images(journal, job_with("other"), {"transforms.size": 24})
    same_study.check_images(journal, job_with("first"), {"phases.0.lr": 0.1})
    with pytest.raises(RunError, match="same weights of the backbone, to the byte"):
        same_study.check_images(journal, job_with("other"), {"phases.0.lr": 0.1})


def test_heads_of_a_run_that_trials_start_from_must_be_the_same(tmp_path):
    journal = open_journal(tmp_path, higher_is_better=True)
    values = {"phases.0.lr": 0.1}
    for head in ("one", "two"):
        same_study.check_images(journal, job_with("same", head), values)
    same_study.check_images(journal, job_with("same", "one", "/a"), values)
    with pytest.raises(RunError, match="same weights of the head, to the byte"):
        same_study.check_images(journal, job_with("same", "two", "/b"), values)


def test_other_weights_are_refused_though_trials_vary_the_backbone(recipe, tmp_path):
    def made(weights, trials):
        given = ["transforms.size=24,32", f"backbone.weights={weights}"]
        options = {"trials": trials, "sampler": "grid", "output": tmp_path}
        *_, found = tlf.sweep(recipe, [*given, "phases.head.epochs=1"], **options)
        return found

    made("none", 1)
    for weights in ("IMAGENET1K_V1", "a1_in1k", "/there/model.safetensors"):
        with pytest.raises(
            RunError, match=rf"backbone.weights is none there and {weights} here; write the same"
        ):
            made(weights, 2)
    assert [path.name for path in (tmp_path / "trials").iterdir()] == ["0"]
    found = made("none", 2)
    best = tlf.load_recipe(found.best_file)
    own = tlf.load_recipe(found.folder / "trials" / str(found.ranked[0].number) / "recipe.toml")
    assert (best.backbone, best.transforms) == (own.backbone, own.transforms)


def test_the_paths_of_weights_may_differ_only_where_the_weights_are_compared(recipe, tmp_path):
    journal = open_journal(tmp_path, higher_is_better=True)

    def check(path, key):
        plan = plan_of(recipe, [f"start_from={path}"])
        varied = [Range(key, 0.1, 0.2, log=False)]
        assert [*same_study.check_same(journal, plan, varied, "tpe", pruning=True)] == []

    check("/here/run", "phases.head.lr")
    check("/there/run", "phases.head.lr")
    journal = open_journal(tmp_path / "other", higher_is_better=True)
    check("/here/run", "backbone.drop_path")
    with pytest.raises(RunError, match="start_from is /here/run there and /there/run here"):
        check("/there/run", "backbone.drop_path")


def test_another_version_is_told(recipe, swept, monkeypatch):
    monkeypatch.setattr(same_study, "__version__", "9.9")
    events = list(tlf.sweep(recipe, RANGES, trials=3, output=swept.folder))
    (note,) = [event.text for event in events if isinstance(event, Notice)]
    assert note.startswith(f"the study was begun with tlf {tlf.__version__}, and this is tlf 9.9")


def test_trials_that_fail_are_told_and_three_in_a_row_stop(recipe, tmp_path):
    events = tlf.sweep(recipe, ["phases.head.lr=1e28..1e30"], output=tmp_path)
    failed = [until(events, TrialEnded) for _ in range(3)]
    assert [event.trial.state for event in failed] == ["failed"] * 3
    assert "failed: " in str(failed[0])
    assert "must be finite" in failed[0].trial.why
    with pytest.raises(TrainingError, match="3 in a row have failed, the last one because"):
        next(events)


def test_a_trial_that_falls_behind_ends_early(recipe, study, monkeypatch):
    monkeypatch.setattr(sweep, "falls_behind", lambda trials, figures, maximize: True)
    found = one_sweep(recipe, study, trials=4)
    assert (found.trials[3].state, found.trials[3].epochs) == (PRUNED, 1)
    assert found.trials[3].best is not None
    assert found.trials[3] not in found.ranked
    assert not (study / "trials" / "3" / "resume").exists()
    page = tlf.write_sweep(found).read_text(encoding="utf-8")
    assert "1 ended early" in page


@pytest.mark.parametrize(
    "key", ["phases.0.epochs=1,2", "phases=[{name='a', freeze='backbone', epochs=1, lr=0.1}],"
            "[{name='b', freeze='backbone', epochs=2, lr=0.1}]"],
)  # fmt: skip
def test_trials_of_different_epochs_are_trained_to_their_end(recipe, tmp_path, monkeypatch, key):
    monkeypatch.setattr(sweep, "falls_behind", lambda trials, figures, maximize: True)
    options = {"trials": 2, "sampler": "grid", "output": tmp_path}
    events = [*tlf.sweep(recipe, [key], **options)]
    assert [(one.state, one.epochs) for one in events[-1].trials] == [(COMPLETE, 1), (COMPLETE, 2)]
    assert as_json(events[-1])["pruning"] is False
    told = [event.text for event in events if isinstance(event, Notice)]
    assert sweep.ALL_TO_THE_END in told
    again = [*tlf.sweep(recipe, [key], pruning=True, **options)]  # the same study
    assert again[-1].trials == events[-1].trials


def test_a_trial_ends_early_after_its_own_first_phase_and_before_its_last_epoch(recipe):
    two = plan_of(recipe, ["phases=[{name='a', freeze='backbone', epochs=3, lr=0.1}, "
                           "{name='b', freeze='backbone', epochs=2, lr=0.1}]"])  # fmt: skip
    assert [*trial_runs._may_end_after(two)] == [3, 4]
    assert [*trial_runs._may_end_after(plan_of(two, ["phases.a.epochs=1"]))] == [1, 2]
    alone = plan_of(recipe, ["phases.head.epochs=4"])
    assert [*trial_runs._may_end_after(alone)] == [2, 3]


def test_the_median_rule_compares_best_epochs_so_far(tmp_path):
    journal = open_journal(tmp_path, higher_is_better=True)
    for figure in (0.5, 0.6, 0.7, 0.8, 0.9):
        trial = journal.begin({}, {})
        journal.end(trial.number, {"state": COMPLETE, "figures": [figure, figure - 0.2]}, figure)
    behind = [falls_behind(journal.trials(), own, maximize=True) for own in (
        [0.69, 0.3], [0.71, 0.3], [0.3, 0.71])]  # fmt: skip
    assert behind == [True, False, False]


def test_what_is_suggested_depends_on_seed_and_number_alone():
    varied = (Range("a", 0, 1, log=False), Choices("b", ("x", "y")))
    one, same, other = (suggest([], varied, "tpe", seed, maximize=True) for seed in (0, 0, 1))
    assert one == same != other


def test_a_grid_has_every_point_once(tmp_path):
    varied = (Range("a", 1, 3, log=False, whole=True), Choices("b", ("x", "y")))
    points = [suggest([None] * n, varied, "grid", 0, maximize=True) for n in range(6)]
    assert points[:3] == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}]
    assert len({tuple(point.values()) for point in points}) == 6
    with pytest.raises(RunError, match=r"a grid must have choices or whole numbers, got lr=0.1"):
        check_sampler("grid", [Range("lr", 0.1, 0.2, log=False)])
    with pytest.raises(RunError, match=r"a sampler must be one of tlf's, got 'tpa'; did you mean"):
        check_sampler("tpa", varied)


def test_a_folder_that_cannot_be_written_is_named(recipe, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError, match=r"cannot write .*file"):
        one_sweep(recipe, tmp_path / "file")


def test_every_key_of_the_file_is_documented(swept):
    content = json.loads((tlf.write_sweep(swept).parent / "sweep.json").read_text())
    assert content == json.loads(json.dumps(as_json(swept)))
    told = (ROOT / "tlf/studies/sweep/README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \|", told.partition("## `sweep.json`")[2], re.M)
    keys = [*content, *content["trials"][0], *content["trials"][0]["best_epoch"]]
    assert [key for key in dict.fromkeys(keys) if key not in told] == []


def test_the_page_escapes_what_it_shows(swept, tmp_path):
    odd = replace(
        swept,
        folder=tmp_path,
        source="<b>.toml",
        trials=tuple(
            replace(
                one,
                values={**one.values, "optimizer": "<i>"},
                best=replace(one.best, phase="\x1b[31m"),
            )
            for one in swept.trials
        ),
        varied=(swept.varied[0], Choices("optimizer", ("<i>", "adamw"))),
    )
    page = tlf.write_sweep(odd).read_text(encoding="utf-8")
    assert "&lt;i&gt;" in page
    assert "<i>" not in page
    assert "<b>.toml" not in page
    assert "\x1b" not in page


def test_importance_is_told_from_ten_trials_on(swept, tmp_path):
    from tlf.studies.sweep.records import ENOUGH, importance
    from tlf.studies.sweep.suggest import distributions

    varied = (Range("a", 0, 1, log=False), Range("b", 0, 1, log=False))
    journal = open_journal(tmp_path, higher_is_better=True)
    journal.note("study", {"ranges": {"a": "", "b": ""}})
    for number in range(ENOUGH):
        assert importance(journal) == {}
        values = suggest(journal.trials(), varied, "random", 0, maximize=True)
        journal.begin(values, distributions(varied))
        journal.end(number, {}, values["a"])
    found = importance(journal)
    assert found["a"] > 0.9
    assert sum(found.values()) == pytest.approx(1)
    assert "matters   phases.head.lr 80%, b 20% (shares in how" in str(
        replace(swept, importance={"phases.head.lr": 0.8, "b": 0.2})
    )


def test_of_equal_trials_the_lower_loss_decides_only_where_all_have_one_loss(swept):
    best = swept.ranked[0].best
    equal = tuple(replace(one, best=replace(best, loss=3.0 - one.number)) for one in swept.trials)
    alike = replace(swept, trials=equal)
    assert [one.number for one in alike.ranked] == [2, 1, 0]
    assert "; of 3 with this figure, it has the lowest eval loss\n" in str(alike)
    for key in ("loss", "loss.gamma"):
        varied = (Choices(key, ("a", "b")),)
        trials = tuple(replace(one, values={key: "a"}) for one in equal)
        other = replace(swept, trials=trials, varied=varied)
        assert [one.number for one in other.ranked] == [0, 1, 2]
        told = "; it is the first of 3 with this figure, as trials have different losses"
        assert f"{told}\n" in str(other)
        assert as_json(other)["best"] == 0


def test_optuna_is_named_where_it_is_missing(recipe, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"optuna is not installed; write: pip install 'tlf\[stud"):
        next(tlf.sweep(recipe, RANGES))


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_that_no_trial_begins_in_is_refused(recipe, tmp_path, timeout):
    with pytest.raises(RunError, match=r"timeout must be above 0 seconds, got"):
        next(tlf.sweep(recipe, RANGES, timeout=timeout, output=tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_the_result_is_a_table(swept):
    text = str(swept)
    assert text.startswith("swept     phases.head.lr, optimizer: 3 trials on 11 eval images")
    assert "expect a lower figure on other images" in text
    assert re.search(
        r"  top-1 +eval loss +best epoch +seconds +trial +phases.head.lr +optimizer\n", text
    )
    best = swept.ranked[0].best
    assert f"  {percent(best.figure)}   {best.loss:.4f}   " in text
    assert not re.search(r"\d\.\d\d%", text)

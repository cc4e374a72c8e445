"""Images that a run has trained on, or may have, are not taken for new ones."""

import json
import shutil

import pytest

import tlf
from archives import files_of, write_parquet, write_tar
from small import HEAD_ALONE, write_recipe
from tlf.components import Split
from tlf.data.inspection.readable import subset
from tlf.data.splitting.pool import pooled
from tlf.errors import DataError
from tlf.evaluation.doubts import _places, doubts, recorded_doubts, seen_at_start
from tlf.evaluation.evaluate import evaluate
from tlf.evaluation.images import source_of
from tlf.evaluation.looks import FILE
from tlf.evaluation.summary import result_lines
from tlf.plugins.attribution import AttributedRead
from tlf.recipe.plan import find_splits, read_plan
from tlf.runs.identity import _test_identity


@pytest.fixture
def own(images, tmp_path):
    return shutil.copytree(images, tmp_path / "images")


@pytest.fixture
def run(own, tmp_path):
    """Writes the folder of a run with these keys of ``[data]``, as far as it is read."""

    def written(name, data):
        folder = tmp_path / name
        folder.mkdir()
        keys = f'[data]\nkind = "folder"\nroot = "{own}"\n{data}\n'
        write_recipe(folder / "recipe.toml", own, keys + HEAD_ALONE)
        splits = find_splits(read_plan(folder / "recipe.toml"))
        (folder / "provenance.json").write_text(json.dumps(_test_identity(splits.test)))
        return folder

    return written


def add(images, split="train"):
    """So many images that a fraction of them is another one."""
    folder = images / split / "circles"
    for number in range(20):
        shutil.copy(folder / "000.jpg", folder / f"more-{number}.jpg")


def test_test_images_that_are_drawn_anew_are_refused(run, own):
    folder = run("one", "test = 0.2")
    assert [*doubts(folder, source_of(folder, None, (), "test"))] == []
    before = {*source_of(folder, None, (), "test").found.images.names}
    add(own)
    source = source_of(folder, None, (), "test")
    assert before != {*source.found.images.names}
    with pytest.raises(DataError, match=r"data\.test draws other test images than when .*/one was"):
        [*doubts(folder, source)]


def test_a_look_that_is_refused_loads_no_model_and_counts_nothing(run, own, monkeypatch):
    folder = run("one", "test = 0.2")
    add(own)
    monkeypatch.setattr("tlf.evaluation.evaluate.load", lambda *_: pytest.fail("a model is loaded"))
    with pytest.raises(DataError, match="the run may have trained on some of them; put the images"):
        evaluate(folder, split="test")
    assert not (folder / FILE).exists()


def test_a_folder_of_test_images_may_grow_and_it_is_said(run, own):
    shutil.copytree(own / "val", own / "final")
    folder = run("one", 'test = "final"')
    assert [*doubts(folder, source_of(folder, None, (), "test"))] == []
    add(own, "final")
    assert [*doubts(folder, source_of(folder, None, (), "test"))] == [
        "The test images, their names or their labels have changed since the run was trained"
    ]


def test_an_eval_split_that_has_changed_is_noticed(run_copy):
    assert evaluate(run_copy, precision="no").doubts == ()
    table = run_copy / "predictions.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    assert evaluate(run_copy).doubts == ()  # what the run has recorded
    (text,) = evaluate(run_copy, precision="no").doubts
    assert text.startswith(f"The eval split has other images than {run_copy} has evaluated")


def test_images_of_one_fold_are_train_images_of_the_next(run, own):
    one, other = (run(f"{n}", f"test = 0.2\nfolds = 2\nfold = {n}") for n in (1, 2))
    evaluated, tested = (source_of(one, None, (), split) for split in ("eval", "test"))
    count = len(evaluated.found.images)
    assert [*doubts(other, evaluated)] == [
        f"{count} of the {count} images are in the train split of {other}: the figures are too high"
    ]
    assert [*doubts(one, evaluated)] == [*doubts(other, tested)] == [*doubts(one, tested)] == []
    (text,) = doubts(one, source_of(one, None, ["data.fold=2"], "eval"))
    assert f"are in the train split of {one}" in text
    shutil.rmtree(own / "train")
    assert [*doubts(other, evaluated)] == []  # nothing is known of images that are gone


def test_train_images_under_the_name_of_a_folder_are_named(run, own, monkeypatch):
    folder = run("one", "test = 0.2")
    count = len(source_of(folder, None, (), "train").found.images)
    source = source_of(folder, own, (), "train")
    (text,) = doubts(folder, source)
    assert text.startswith(f"{count} of the {len(source.found.images)} images are in the train spl")
    assert [*doubts(folder, source_of(folder, own / "val", (), None))] == []
    monkeypatch.setattr("tlf.evaluation.doubts.is_on_disk", lambda _: False)
    assert [*doubts(folder, source)] == []  # no server is asked


def test_images_of_the_runs_that_a_run_has_started_from_are_named(run):
    one, other = (run(f"{n}", f"test = 0.2\nfolds = 2\nfold = {n}") for n in (1, 2))
    note(other, started_from=[{"folder": "/gone", "started_from": [{"folder": str(one)}]}])
    assert [*doubts(other, source_of(other, None, (), "test"))] == []
    (text,) = doubts(other, source_of(other, None, (), "eval"))
    assert text.endswith(
        f"train split of {one}, whose weights {other} has started from: the figures are too high"
    )


def test_the_train_split_of_a_run_is_named_as_one(run):
    folder = run("one", "test = 0.2")
    (text,) = doubts(folder, source_of(folder, None, (), "train"))
    assert text.endswith(f"are in the train split of {folder}: the figures are too high")


def test_images_of_the_runs_whose_mean_a_soup_is_are_named(run):
    one, other, mean = (
        run(name, f"folds = 2\nfold = {fold}") for name, fold in (("1", 1), ("2", 2), ("soup", 1))
    )
    members = [{"run": str(one)}, {"run": str(other)}]
    note(mean, data_sha256={"eval": "same"}, soup={"runs": members})
    source = source_of(mean, None, (), "eval")
    (text,) = doubts(mean, source)
    assert text.endswith(f"train split of {other}, whose weights went into {mean}: the figures "
                         "are too high")  # fmt: skip
    assert [*doubts(mean, source_of(mean, None, ["data.fold=1"], "eval"))] == [text]
    note(other, data_sha256={"eval": "same"})  # it has held the same images out, too
    assert [*doubts(mean, source)] == []
    note(mean, data_sha256={"train": "same", "eval": "same"})
    assert len([*doubts(mean, source_of(mean, None, (), "train"))]) == 1


@pytest.fixture(scope="module")
def started(images, tmp_path_factory):
    """A run of the second fold that has started from one of the first, which has trained on it."""
    root = tmp_path_factory.mktemp("folds")
    shutil.copytree(images, root / "images")
    for fold, start in ((1, ""), (2, f'start_from = "{root / "1"}"\n')):
        data = f'[data]\nkind = "folder"\nroot = "{root / "images"}"\nfolds = 2\nfold = {fold}\n'
        text = f"{start}{data}{HEAD_ALONE}"
        [*_] = tlf.run(write_recipe(root / f"{fold}.toml", root / "images", text, f"{fold}"))
    return root


def test_what_a_run_has_recorded_is_doubted_where_its_start_has_trained_on_it(started):
    found = evaluate(started / "2")
    count = len(found.predicted)
    assert found.recorded
    assert found.doubts == evaluate(started / "2", tta="flip").doubts
    told = (
        f"{count} of the {count} images are in the train split of {started / '1'}, whose weights "
        f"{started / '2'} has started from: the figures are too high"
    )
    assert found.doubts == (told,)
    assert evaluate(started / "1").doubts == ()
    written = tlf.write_evaluation(found)
    assert json.loads((written / "evaluation.json").read_text())["doubts"] == [told]
    for page in (written / "report.html", tlf.write_report(started / "2", neighbours=False)):
        assert f"{count} of the {count} images are in the train split of" in page.read_text()


def test_nothing_is_doubted_that_cannot_be_looked_up(started, tmp_path):
    copy = shutil.copytree(started, tmp_path / "copy")
    records = copy / "2" / "provenance.json"
    records.write_text(records.read_text().replace(str(started / "1"), str(copy / "1")))
    assert len(evaluate(copy / "2").doubts) == 1
    recipe = copy / "1" / "recipe.toml"
    text = recipe.read_text()
    recipe.write_text(f'plugins = ["gone"]\n{text}')
    assert evaluate(copy / "2").doubts == evaluate(copy / "2", tta="flip").doubts == ()
    recipe.write_text(text)
    (copy / "2" / "recipe.toml").write_text(
        (copy / "2" / "recipe.toml").read_text().replace(str(started / "images"), str(copy / "no"))
    )
    found = evaluate(copy / "2")
    assert (found.recorded, found.doubts, found.read) == (True, (), None)


def test_a_report_needs_no_plugin_and_no_server(started, tmp_path, monkeypatch):
    run = shutil.copytree(started, tmp_path / "copy") / "2"
    names = evaluate(run).predicted.names
    assert len([*recorded_doubts(run, names)]) == 1
    with monkeypatch.context() as patch:  # what the run was trained on is on a server
        patch.setattr("tlf.evaluation.doubts.is_on_disk", lambda dataset: False)
        patch.setattr("tlf.evaluation.doubts.find_splits", lambda plan: pytest.fail("was asked"))
        assert [*recorded_doubts(run, names)] == []
        assert evaluate(run).doubts == ()
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("plugins = []", 'plugins = ["gone"]'))
    assert [*recorded_doubts(run, names)] == []
    assert tlf.write_report(run, neighbours=False).is_file()


def test_test_images_of_an_earlier_chapter_are_not_forgotten(run):
    folder = run("one", "test = 0.2")
    note(folder, earlier=[{"test_sha256": "other"}])
    (text,) = doubts(folder, source_of(folder, None, (), "test"))
    assert text.startswith("Before it was resumed, the run had other test images")


@pytest.fixture
def sharded(images, tmp_path):
    """Writes the folder of a run on shards: two of one pair of webdataset's keys."""

    def written(name, data):
        folder = tmp_path / name
        folder.mkdir()
        table = f'[data]\nkind = "shards"\n{data}\n{HEAD_ALONE}'
        write_recipe(folder / "recipe.toml", images, table)
        (folder / "provenance.json").write_text("{}")
        return folder

    for split in ("train", "val"):
        members = {}
        for number, (path, data) in enumerate(files_of(images / split).items()):
            label = path.split("/")[0].encode()
            members |= {f"{number:06}.jpg": data, f"{number:06}.cls": label}
        write_tar(tmp_path / f"{split}.tar", members)
    return written


def test_images_of_other_shards_are_others_though_their_keys_are_the_same(sharded, tmp_path):
    one = sharded("one", f'train = "{tmp_path}/train.tar"')
    other = sharded("other", f'train = "{tmp_path}/val.tar"\nfraction = 0.5')
    note(other, started_from=[{"folder": str(one)}])
    source = source_of(other, None, (), "eval")
    trained = find_splits(read_plan(one / "recipe.toml")).train
    assert {*source.found.images.names} & {*trained.names}
    assert [*doubts(other, source)] == []
    recipe = read_plan(other / "recipe.toml", [f"start_from={one}"]).recipe
    assert seen_at_start(recipe, [source.found.images], {}) == {}
    assert [*seen_at_start(recipe, [trained], {}).values()] == [len(trained)]


@pytest.mark.parametrize("evaluated", ["", "val.tar"])
def test_folds_of_the_same_shards_share_images(sharded, tmp_path, evaluated):
    """Where both splits have the same keys, their names begin with the split in folds alone."""
    own = f'train = "{tmp_path}/train.tar"' + f'\neval = "{tmp_path}/{evaluated}"' * bool(evaluated)
    one, other = (sharded(f"{n}", f"{own}\nfolds = 2\nfold = {n}") for n in (1, 2))
    source = source_of(one, None, (), "eval")
    count = len(source.found.images)
    (text,) = doubts(other, source)
    assert text.startswith(f"{count} of the {count} images are in the train split of {other}")
    if evaluated:
        (text,) = doubts(other, source_of(other, None, (), evaluated))
        held_out = find_splits(read_plan(other / "recipe.toml")).eval.names
        count = 11 - sum(name.startswith("eval/") for name in held_out)
        assert text.startswith(f"{count} of the 11 images are in the train split of {other}")


def test_rows_of_another_table_are_other_images(sharded, images, tmp_path):
    rows = [(None, data, path.split("/")[0]) for path, data in files_of(images / "train").items()]
    runs = []
    for name in ("one", "other"):
        write_parquet(tmp_path / f"{name}.parquet", rows)
        folder = sharded(name, f'name = "{tmp_path}/{name}.parquet"')
        text = (folder / "recipe.toml").read_text()
        (folder / "recipe.toml").write_text(text.replace('"shards"', '"hub"'))
        runs.append(folder)
    one, other = runs
    assert [*doubts(one, source_of(other, None, (), "train"))] == []
    (text,) = doubts(one, source_of(one, None, ["data.seed=1"], "train"))
    assert f"images are in the train split of {one}" in text


def test_a_name_in_the_dataset_of_a_plugin_means_the_same_in_that_dataset_only():
    one, other = (Split(("a",), (0,), AttributedRead(bytes, None, own)) for own in ("X()", "Y()"))
    names = [*_places(subset(one, [0])), *_places(pooled([one, other]))]
    assert names[0] in {*_places(one)}
    assert {*_places(one)}.isdisjoint(_places(other))
    assert len({*names[1:]}) == 2


def note(folder, **about):
    """Add to the provenance.json of a run."""
    path = folder / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | about))


def test_a_second_model_that_has_trained_on_the_images_is_named(finished, run_copy):
    recipe = run_copy / "recipe.toml"
    text = recipe.read_text().replace("[data]\n", "[data]\nfolds = 2\nfold = 1\n", 1)
    recipe.write_text(text)
    (run_copy / "provenance.json").write_text("{}")  # its eval images are others
    found = evaluate(finished, against=run_copy)
    assert found.doubts == ()
    assert found.other.doubts[0].endswith(
        f"in the train split of {run_copy}: the figures are too high"
    )
    assert "caution   " in "\n".join(result_lines(found))

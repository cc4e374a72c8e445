"""Recipes that a program reads, changes and passes on."""

import dataclasses
from importlib.metadata import EntryPoint

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tlf as package
from tlf.builtin.heads import tlf_heads
from tlf.data.fixes_file import Fix, write_fixes
from tlf.errors import DataError, PluginError, RecipeError
from tlf.recipe.plan import find_splits, load_recipe, plan_of, read_plan
from tlf.testing.tiny_run import tiny_plan

PLUGIN = """
from dataclasses import dataclass
from tlf.hookspecs import hookimpl

@dataclass(frozen=True)
class Ends:
    odd: bool = True
    def frozen(self, model, progress):
        return [name for stage in list(model.stages)[1:] for name in model.stage(stage)]

@dataclass(frozen=True)
class Last:
    @hookimpl
    def tlf_select_best(self, history):
        return len(history) - 1

@hookimpl
def tlf_freeze_policies():
    return {"ends": Ends}

@hookimpl
def tlf_extensions():
    return {"last": Last}
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    (tmp_path / "tlf_test_ends.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("ends", "tlf_test_ends", "tlf")
    monkeypatch.setattr("tlf.plugins.discovery.entry_points", lambda group: (entry,))


def test_a_recipe_is_what_the_command_line_reads(recipe):
    overrides = ["seed=7", "phases.all.freeze=norms"]
    assert load_recipe(recipe, overrides) == read_plan(recipe, overrides).recipe
    assert load_recipe(str(recipe)).seed == 0


def test_a_recipe_can_be_changed_and_passed_on(recipe):
    changed = dataclasses.replace(load_recipe(recipe), seed=7, head=tlf_heads()["mlp"](hidden=(9,)))
    plan = plan_of(changed)
    assert plan.recipe == changed
    assert plan.recipe == read_plan(recipe, ["seed=7", "head={kind='mlp',hidden=[9]}"]).recipe


def test_overrides_hold_for_a_recipe_too(recipe):
    loaded = load_recipe(recipe)
    assert plan_of(loaded, ["seed=7"]).recipe == dataclasses.replace(loaded, seed=7)
    with pytest.raises(RecipeError, match="must be an override"):
        plan_of(loaded, ["seed"])


def test_a_changed_recipe_is_checked_again(recipe):
    loaded = load_recipe(recipe)
    wrong = dataclasses.replace(loaded, seed=-1, batch_size="many")
    with pytest.raises(RecipeError) as caught:
        plan_of(wrong)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["seed", "batch_size"]
    with pytest.raises(PluginError, match="a component of the recipe's plugins, got int; add"):
        plan_of(dataclasses.replace(loaded, head=3))


def test_a_third_partys_component_stays_with_its_recipe(recipe, installed):
    loaded = load_recipe(recipe, ["phases.0.freeze=ends:ends"])
    assert loaded.plugins == ("ends",)
    plan = plan_of(loaded)
    assert plan.recipe == loaded
    assert plan.plugins.catalogue.offer(loaded.phases[0].freeze[0]).kind == "ends:ends"
    with pytest.raises(
        PluginError, match=r"a freeze policy must be a kind, .* got Ends; add its plugin to"
    ):
        plan_of(dataclasses.replace(loaded, plugins=()))
    assert (
        plan_of(load_recipe(recipe), ["phases.0.freeze=ends:ends"]).recipe.phases == loaded.phases
    )


def test_a_plan_is_taken_as_it_is_or_changed(recipe, installed):
    plan = read_plan(recipe, ["phases.0.freeze=ends:ends"])
    assert plan_of(plan) is plan
    changed = plan_of(plan, ["seed=7"])
    assert changed.recipe == dataclasses.replace(plan.recipe, seed=7)
    assert changed.source == str(recipe)
    with pytest.raises(RecipeError, match=r"^.*recipe\.toml: 1 problem\n  seed: must be"):
        plan_of(plan, ["seed=-1"])


def test_the_extensions_of_a_recipe_that_a_program_changed_take_part(recipe, installed):
    loaded = load_recipe(recipe, ["extensions=['ends:last']"])
    changed = dataclasses.replace(loaded, seed=7)
    assert plan_of(changed).plugins.hook.tlf_select_best(history=[None, None]) == 1


def test_a_changed_recipe_trains_what_it_says(recipe, tmp_path):
    loaded = load_recipe(recipe, ["phases.all.epochs=1"])
    (head, _) = loaded.phases
    short = dataclasses.replace(loaded, phases=(head,), output=str(tmp_path / "short"))
    epochs = [e for e in package.run(short) if isinstance(e, package.EpochResult)]
    assert [(epoch.phase, epoch.epoch) for epoch in epochs] == [("head", 0)]
    assert read_plan(tmp_path / "short" / "recipe.toml").recipe == short


DATASET = """
from dataclasses import dataclass
from tlf.components import Split, Splits
from tlf.hookspecs import hookimpl

@dataclass(frozen=True)
class Two:
    label: int = 1
    def build(self):
        part = Split(["a", "b"], [0, self.label], lambda index: None)
        return Splits(part, part, ("ant", "bee"))

@hookimpl
def tlf_datasets():
    return {"two": Two}
"""


def test_what_a_dataset_gives_is_checked_and_blamed(recipe, tmp_path, monkeypatch):
    (tmp_path / "tlf_test_two.py").write_text(DATASET)
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("two", "tlf_test_two", "tlf")
    monkeypatch.setattr("tlf.plugins.discovery.entry_points", lambda group: (entry,))
    message = r"^'two:two' \(.*\): labels must be .* 0 to 1, .*, got 2 \(tlf_test_two.py, line 9\)$"
    with pytest.raises(PluginError, match=message):
        find_splits(read_plan(recipe, ["data={kind='two:two',label=2}"]))
    splits = find_splits(read_plan(recipe, ["data={kind='two:two'}"]))
    message = r"^'two:two' \(.*\): read must return bytes, got None \(tlf_test_two.py, line 10\)$"
    with pytest.raises(PluginError, match=message):
        splits.train.read(0)


FIXED = """
from dataclasses import dataclass
from tlf.components import Split, Splits
from tlf.hookspecs import hookimpl

@dataclass(frozen=True)
class Two:
    def build(self):
        train = Split(["a", "b", "c", "d"], [0, 1, 0, 1], lambda index: b"%d" % index)
        return Splits(train, Split(["e", "f"], [0, 1], lambda index: b""), ("ant", "bee"))

@hookimpl
def tlf_datasets():
    return {"two": Two}
"""


@pytest.mark.parametrize(
    "kind",
    # The starter set is drawn first, which takes seconds.
    ["folder", "csv", "hub", "shards", pytest.param("starter", marks=pytest.mark.slow), "two:two"],
)
def test_fixes_hold_for_every_dataset(recipe, images, tmp_path, monkeypatch, kind):
    """A wrong label and an image to leave out, by the names that the dataset gives."""
    (tmp_path / "tlf_test_fixed.py").write_text(FIXED)
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("two", "tlf_test_fixed", "tlf")
    monkeypatch.setattr("tlf.plugins.discovery.entry_points", lambda group: (entry,))
    options = {"folder": {"root": str(images)}, "csv": {"file": listed(tmp_path, images)},
               "hub": {"name": parquet(tmp_path)},
               "shards": {"train": f"{tmp_path}/hub/*.parquet"}}  # fmt: skip
    data = ", ".join(f"{k}='{v}'" for k, v in {"kind": kind, **options.get(kind, {})}.items())
    found = find_splits(read_plan(recipe, [f"data={{{data}}}"]))
    (one, *_), (first, second) = found.train.names, found.classes
    label = found.classes[found.train.labels[0]]
    wrong = next(n for n, k in zip(found.train.names, found.train.labels, strict=True)
                 if found.classes[k] != label)  # fmt: skip
    swapped = second if label == first else first
    file = tmp_path / "fixes.csv"
    write_fixes(file, [Fix("train", one, label, leave_out="yes"),
                       Fix("train", wrong, swapped, label)])  # fmt: skip
    fixed = find_splits(read_plan(recipe, [f"data={{{data}, fixes='{file}'}}"]))
    position = fixed.train.names.index(wrong)
    assert one not in fixed.train.names
    assert fixed.classes[fixed.train.labels[position]] == label
    assert fixed.train.read(position) == found.train.read(found.train.names.index(wrong))
    assert fixed.eval.names == found.eval.names
    assert fixed.notes[len(found.notes) :][0].startswith(f"{file} corrects 1 label (train 1) and")


def listed(folder, images):
    """A CSV file that lists those images."""
    file = folder / "list.csv"
    paths = sorted(images.glob("*/*/*.jpg"))
    rows = [f"{path},{path.parent.name},{path.parent.parent.name}" for path in paths]
    file.write_text("\n".join(["path,label,split", *rows]))
    return file


def parquet(folder):
    """A folder of two splits in parquet."""
    (folder / "hub").mkdir()
    for split in ("train", "validation"):
        images = [{"bytes": b"%d" % i, "path": f"{split}{i}.png"} for i in range(4)]
        table = pa.table({"image": images, "label": ["ant", "bee", "ant", "bee"]})
        pq.write_table(table, folder / "hub" / f"{split}.parquet")
    return folder / "hub"


def test_a_file_of_fixes_is_a_path_or_a_list_of_paths(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, several = (read_plan(recipe, [f"data.fixes={text}"]) for text in ("a.csv", "['a', 'b']"))
    assert one.recipe.data.fixes == str(tmp_path / "a.csv")
    assert several.recipe.data.fixes == (str(tmp_path / "a"), str(tmp_path / "b"))
    with pytest.raises(
        DataError, match=r"^cannot read .*a\.csv: No such file .*; set data\.fixes$"
    ):
        find_splits(one)


def test_a_path_that_no_file_has(tmp_path):
    with pytest.raises(RecipeError, match="its name must have no zero byte"):
        load_recipe("a\0b")


def test_the_keys_of_splits_hold_for_the_dataset_of_a_plugin(tmp_path):
    plan = tiny_plan(tmp_path)
    whole = find_splits(plan)

    def divided(**keys):
        data = dataclasses.replace(plan.recipe.data, **keys)
        recipe = dataclasses.replace(plan.recipe, data=data)
        return find_splits(dataclasses.replace(plan, recipe=recipe))

    tested = divided(test=0.25)
    assert (len(tested.train), len(tested.eval), len(tested.test)) == (8, 6, 4)
    assert tested.eval.names == whole.eval.names
    folds = [divided(folds=3, fold=fold) for fold in (1, 2, 3)]
    assert [len(one.eval) for one in folds] == [6, 6, 6]
    every = [name for one in folds for name in one.eval.names]
    assert sorted(every) == sorted(
        [f"train/{n}" for n in range(12)] + [f"eval/{n}" for n in range(6)]
    )
    first = folds[0].eval
    split, _, number = first.names[0].partition("/")
    assert first.read(0) == getattr(whole, split).read(int(number))
    assert len(divided(folds=2, fold=1, group="(.)").eval) in (8, 9, 10)
    with pytest.raises(DataError, match="must be a fraction for a dataset of kind 'checked:stri"):
        divided(test="final")
    with pytest.raises(
        DataError, match="must be a pattern for a dataset of kind 'checked:stripes'"
    ):
        divided(group="patient")


def test_without_the_keys_a_column_or_test_split_is_not_asked_for(recipe, images):
    splits = find_splits(read_plan(recipe))
    assert (splits.test, splits.held_out, len(splits.train)) == (None, None, 20)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["data.folds=5"], "data: fold must say which of the 5 folds is the eval split"),
        (["data.fold=0"], "data.fold: must be at least 1"),
        (["data.test=1.0"], "data.test: must be below 1"),
        (["data.group=(a)(b)"], "data: group must have one group in parentheses"),
    ],
)
def test_keys_of_splits_that_are_wrong(recipe, keys, message):
    with pytest.raises(RecipeError) as caught:
        read_plan(recipe, keys)
    assert message in str(caught.value)

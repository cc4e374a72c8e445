"""The images of one split: whose rows of fixes they have."""

import pytest

from archives import files_of, write_parquet, write_tar
from small import HEAD_ALONE, write_recipe
from tlf.evaluation.images import source_of


@pytest.fixture
def run(images, tmp_path):
    """The folder of a run on shards whose splits have the same keys, with fixes of train images."""
    for split, folder in (("train", "train"), ("val", "val"), ("test", "val")):
        members = {}
        for number, (path, data) in enumerate(files_of(images / folder).items()):
            label = path.split("/")[0].encode()
            members |= {f"{number:06}.jpg": data, f"{number:06}.cls": label}
        write_tar(tmp_path / f"{split}-0.tar", members)
    (tmp_path / "fixes.csv").write_text(
        "split,path,label,new_label,leave_out\n"
        "train,000000.jpg,circles,squares,\ntrain,000001.jpg,circles,,yes\n"
        "eval,000002.jpg,circles,squares,\n"
    )
    data = f'train = "{tmp_path}/train-*.tar"\neval = "{tmp_path}/val-*.tar"'
    table = f'[data]\nkind = "shards"\n{data}\nfixes = "{tmp_path}/fixes.csv"\n{HEAD_ALONE}'
    (tmp_path / "run").mkdir()
    write_recipe(tmp_path / "run/recipe.toml", images, table)
    (tmp_path / "run/provenance.json").write_text("{}")
    return tmp_path / "run"


def test_test_shards_have_no_fixes_of_train_images_of_the_same_names(run, tmp_path):
    found = source_of(run, None, (), "test-*.tar").found
    without = source_of(run, None, ["data.fixes=[]"], "test-*.tar").found
    assert [*found.images.names] == [*without.images.names]
    assert [*found.images.labels] == [*without.images.labels]
    (note,) = found.notes
    assert note == (
        f"{tmp_path}/fixes.csv changes none of these images; 3 of its rows are about images of "
        "other splits that are called the same"
    )
    assert without.notes == ()


def test_the_own_splits_of_shards_have_their_fixes_and_say_so(run, tmp_path):
    for split, count in (("eval", 11), ("train", 19)):
        found = source_of(run, None, (), split).found
        assert len(found.images) == count
        assert found.notes[0].endswith(
            "corrects 2 labels (train 1, eval 1) and leaves out 1 image (train 1)"
        )


@pytest.mark.parametrize(("split", "rows"), [(None, "eval 1"), ("train", "train 1")])
def test_shards_that_options_name_have_the_fixes_of_their_split(run, tmp_path, split, rows):
    named = {"train": "train-*.tar", "eval": "val-*.tar", "fixes": "fixes.csv"}
    options = [f"data.{key}={tmp_path}/{value}" for key, value in named.items()]
    source = source_of(tmp_path / "m.onnx", None, ["data.kind=shards", *options], split)
    assert f"corrects 1 label ({rows})" in source.found.notes[0]


def test_names_of_rows_of_the_hub_say_their_split(images, tmp_path):
    rows = [(None, data, path.split("/")[0]) for path, data in files_of(images / "val").items()]
    for split in ("train", "validation"):
        write_parquet(tmp_path / f"{split}.parquet", rows)
    (tmp_path / "fixes.csv").write_text(
        "split,path,label,new_label,leave_out\n"
        "eval,validation[0],circles,squares,\ntrain,train[1],circles,,yes\n"
    )
    options = ["data.kind=hub", f"data.name={tmp_path}", f"data.fixes={tmp_path}/fixes.csv"]
    found = source_of(tmp_path / "m.onnx", None, options, "validation").found
    assert len(found.images) == 11
    assert found.notes[0].endswith("fixes.csv corrects 1 label (eval 1)")

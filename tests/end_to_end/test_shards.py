"""Images in shards train as the same images in a folder do: bit for bit."""

import json
from pathlib import Path

import pytest

from archives import files_of, shards_of, write_parquet, write_tar
from forks import run_together
from run_files import different_tensors, figures, predictions
from small import TWO_PHASES, write_recipe
from stopped_runs import RECIPE, stop_after, write
from tlf.builtin.shards import stored
from tlf.runs.resume import resume
from tlf.runs.run import run


@pytest.fixture(scope="module")
def data(images, tmp_path_factory):
    """Kind of shards → what a recipe's ``data`` is overridden with."""
    folder = tmp_path_factory.mktemp("shards")
    found = {kind: {"kind": "shards", **o} for kind, o in shards_of(folder, images).items()}
    lines = [f"{p},{p.parent.name},{p.parent.parent.name}" for p in images.glob("*/*/*")]
    (folder / "list.csv").write_text("\n".join(["path,label,split", *lines]))
    found["csv"] = {"kind": "csv", "file": str(folder / "list.csv")}
    tables = {
        kind: ", ".join(f"{key}='{value}'" for key, value in options.items())
        for kind, options in found.items()
    }
    return {kind: f"data={{{table}}}" for kind, table in tables.items()}


def check_same(one, other):
    """Check that two runs agree to the last bit, but for the names of images."""
    assert figures(one) == figures(other)
    for name in ("model.safetensors", "head.safetensors"):
        assert different_tensors(one / name, other / name) == []
    rows = [[{**row, "path": ""} for row in predictions(folder)] for folder in (one, other)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    "kind", ["tar", *(pytest.param(k, marks=pytest.mark.slow) for k in
                      ("keys", "zip", "parquet", "csv"))]
)  # fmt: skip
def test_the_run_is_that_of_a_folder(finished, images, data, tmp_path, kind):
    path = write_recipe(tmp_path / "recipe.toml", images, f"seed = 4\n{TWO_PHASES}")
    [*_, last] = run(path, [data[kind]])
    check_same(finished, Path(last.folder))


@pytest.mark.slow
def test_the_run_of_several_labels_is_that_of_a_csv_file(images, tmp_path):
    files = files_of(images / "train")
    sets = {path: ["ants"] * (n % 2) + ["bees"] * (n % 3 > 0) for n, path in enumerate(files)}
    lines = "".join(f"{path},{'|'.join(names)}\n" for path, names in sets.items())
    (tmp_path / "list.csv").write_text(f"path,label\n{lines}")
    members = {}
    for path, data in reversed(files.items()):
        beside = {f"{Path(path).with_suffix('.json')}": json.dumps({"is": sets[path]}).encode()}
        members |= {path: data} | beside
    write_tar(tmp_path / "a.tar", members)
    rows = [(path, data, "|".join(sets[path])) for path, data in files.items()]
    write_parquet(tmp_path / "a.parquet", rows)
    kinds = {
        "csv": f"file='{tmp_path}/list.csv', root='{images}/train', label_separator='|'",
        "tar": f"train='{tmp_path}/a.tar', label='json:is'",
        "parquet": f"train='{tmp_path}/a.parquet', label_separator='|'",
    }
    folders = []
    for kind, options in kinds.items():
        recipe = write_recipe(
            tmp_path / f"{kind}.toml", images, f"task='multi-label'\n{TWO_PHASES}"
        )
        name = "csv" if kind == "csv" else "shards"
        [*_, last] = run(recipe, [f"data={{kind='{name}', {options}}}"])
        folders.append(Path(last.folder))
    check_same(folders[0], folders[1])
    check_same(folders[0], folders[2])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_run_resumes_in_the_middle_of_a_shard(images, data, tmp_path, kind, workers):
    """More workers than shards; every epoch decodes its images anew."""
    more = [f"workers={workers}", "cache.mode=off"]
    whole, folder = write(tmp_path, images, "whole")
    [*_] = run(whole, more)
    path, stopped = write(tmp_path, images, "stopped")
    stop_after(path, 5, [*more, data[kind]])
    [*_] = resume(stopped)
    check_same(folder, stopped)


TOGETHER = """
import sys
from tlf.builtin.shards import Shards
images = Shards(sys.argv[1]).labelled(None).images
print(len(images), images.read(3)[:4].hex())
"""


@pytest.mark.slow
def test_two_processes_make_an_index_at_once(data, tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    pattern = data["tar"].partition("train='")[2].partition("'")[0]
    (tmp_path / "program.py").write_text(TOGETHER)
    one, other = (out for out, _ in run_together(2, [tmp_path / "program.py", pattern], tmp_path))
    assert one == other
    assert one.startswith("20 ")
    assert [p.suffix for p in (tmp_path / "cache" / stored.FOLDER).iterdir()] == [".npz"] * 2


READ = """
import sys
from tlf.__main__ import program
from tlf.builtin.shards import split
read = split.read_member
def noted(source, column, place, size, digest):
    print("read", digest.hex())
    return read(source, column, place, size, digest)
split.read_member = noted
program()
"""


@pytest.mark.slow
def test_two_processes_decode_disjoint_members(images, data, tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    path = write_recipe(tmp_path / "recipe.toml", images, RECIPE, "run")
    (tmp_path / "program.py").write_text(READ)
    words = [tmp_path / "program.py", path, data["tar"], "transforms.crop_from=resized"]
    seen = [
        [line for line in out.splitlines() if line.startswith("read")]
        for out, _ in run_together(2, words, tmp_path)
    ]
    assert {*seen[0]} & {*seen[1]} == set()
    assert len({*seen[0], *seen[1]}) == 31

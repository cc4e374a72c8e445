"""Every kind of bad input: one clear message, exit code 2, no traceback, and nothing written."""

import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import tlf as package
from tlf.errors import RunError

HEAD = """
from dataclasses import dataclass
from tlf.hookspecs import hookimpl
from torch import nn

@dataclass(frozen=True)
class Gem:
    def build(self, num_features, num_classes):
        return nn.Linear(num_features, num_classes)

@hookimpl
def tlf_heads():
    return {"gem": Gem}
"""
OFFLINE = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
"""A proxy that refuses every connection at once."""


class Code:
    """Something whose unpickling creates a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def tree(folder):
    """Every file and folder with its size and time of change."""
    found = {p: p.stat() for p in folder.rglob("*")}
    return {str(p): (s.st_size, s.st_mtime_ns) for p, s in found.items() if p.is_file()} | {
        str(p): None for p in found if p.is_dir()
    }


def judge(code, out, err, told):
    assert code == 2, err
    assert out == ""
    assert "Traceback" not in err
    assert "Warning" not in err
    assert err.startswith("error: ")
    assert err.count("error: ") == 1
    for words in told:
        assert words in err


@pytest.fixture
def refused(main, tmp_path, monkeypatch):
    """Run tlf in this process. It has to refuse, and to leave everything as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # of plugins below tmp_path

    def refused(*arguments, told):
        before = tree(tmp_path)
        judge(*main(*arguments), told)
        assert tree(tmp_path) == before

    return refused


@pytest.fixture
def refused_outside(tlf, tmp_path):
    """The same in a process of its own."""

    def refused(*arguments, told, **environment):
        before = tree(tmp_path)
        done = tlf(*arguments, **environment)
        judge(done.returncode, done.stdout, done.stderr, told)
        assert tree(tmp_path) == before

    return refused


@pytest.fixture
def copied(images, tmp_path):
    """A copy of the images, to be spoilt."""
    return Path(shutil.copytree(images, tmp_path / "copied"))


def install(folder, source, name="gem", distribution="tlf-gem"):
    """Install a distribution with one plugin; give the folder for the path."""
    module = f"bad_{distribution.replace('-', '_')}"
    info = folder / distribution / f"{distribution.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[tlf]\n{name} = {module}\n")
    (info.parent / f"{module}.py").write_text(source)
    return str(info.parent)


# The recipe


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["bach_size=8"], ["bach_size: unknown key; did you mean 'batch_size'?"]),
        (["phases.1.epoch=2"], ["phases.1.epoch: unknown key; did you mean 'epochs'?"]),
        (["head.width=2"], ["head.width: unknown option of 'linear' (tlf "]),
        (["batch_size=many"], ['batch_size: must be a whole number, got "many" (a string)']),
        (["phases.0.lr=-1"], ["phases.0.lr: must be above 0"]),
        (["head=lineer"], ["head: no head is called 'lineer'; did you mean 'linear'?"]),
        (["backbone.kind=tim"], ["backbone.kind: no backbone is called 'tim'", "'timm'"]),
        (["data.fraction=2"], ["data: fraction must be between 0 and 1, got 2"]),
        (["data.bad_images=drop"], ["data.bad_images: ", "Known: error, skip"]),
        (
            ["transforms.resize=20"],
            ["transforms.resize: must be at least the size of the crop, 32, got 20"],
        ),
        (
            ["transforms={resize=20}"],
            ["transforms.resize: must be at least the size of the crop, 160, got 20"],
        ),
        (["batch_size"], ["batch_size: must be an override, key=value; write"]),
        (["=3"], ["=3: the key must be names with dots between them, got ''"]),
        (["seed=[1,"], ["seed=[1,: the value must be TOML"]),
        (["seed="], ["seed=: must have a value"]),
        (["phases.9.lr=1"], ["phases has 2 items, counted from 0, but no 9"]),
        (
            ["phases.0.freeze={kind='up-to', stage='layer9'}"],
            ["phases.0.freeze: 'up-to' (tlf 0.1.0): the backbone has no stage 'layer9'; did you"],
        ),
        (["phases.0.lr={head=1, layer9=1}"], ["phases.0.lr: the backbone has no stage 'layer9'"]),
        (
            ["phases.0.freeze={kind='matching', pattern='zzz'}"],
            ["phases.0.freeze: 'matching' (tlf 0.1.0): pattern 'zzz' matches no parameter"],
        ),
        (
            ["phases.0.freeze={kind='matching', pattern='.*'}"],
            ["phases.0.freeze: everything is frozen: the phase would train nothing"],
        ),
        (
            ["head=attention-pool", "head.heads=7"],
            ["heads must divide the number of features", "; write heads ="],
        ),
        (
            ["backbone.model=test_vit.r160_in1k", "transforms.size=100", "transforms.resize=100"],
            ["transforms.size: must be a size that the model takes, got 100: "],
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) and "=" in value[0] else "",
)
@pytest.mark.parametrize("command", [[], ["explain"]], ids=["run", "explain"])
def test_a_mistake_in_the_recipe(refused, recipe, command, arguments, told):
    refused(*command, recipe, *arguments, told=told)


def test_all_mistakes_of_a_recipe_come_at_once(refused, recipe):
    told = ["2 problems", "bach_size", "phases.0.lr"]
    refused(recipe, "bach_size=8", "phases.0.lr=-1", told=told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed = 0\nbatch_size 32\n", ["line 2, column 12", "in: batch_size 32"]),
        ("seed = 0\nphases = [\n  1,\n\n", ["line 3, column 5", "in: 1,"]),
        ("seed = 0\nseed = 1\n", ["line 2, column 9: Cannot overwrite a value"]),
        (b"\xff\xfe", ["must be UTF-8, byte 0 is not"]),
        ("", ["3 problems", "backbone: missing", "data: missing", "phases: missing"]),
    ],
    ids=["no equals sign", "unclosed", "twice", "not text", "empty"],
)
def test_what_is_not_a_recipe(refused, tmp_path, text, told):
    file = tmp_path / "odd.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(file, told=["odd.toml", *told])


def test_a_misspelt_command(refused, recipe):
    refused("explian", recipe, told=["explian", "did you mean 'explain'?", "predict, "])
    refused("recipe", told=["did you mean 'recipe.toml'?"])
    refused("nonsense", told=["nonsense is neither a command nor a recipe", "run"])


def test_recipes_that_are_not_there(refused, recipe, tmp_path):
    refused(tmp_path / "recipes.toml", told=["no such file", "did you mean 'recipe.toml'?"])
    refused(tmp_path, told=["must be a file, got a folder; write the path of a recipe"])
    refused("explain", "nowhere.toml", told=["nowhere.toml", "no such file"])


# Images


def lack(root):
    shutil.rmtree(root / "val" / "squares")


def lone(root):
    for split in ("train", "val"):
        shutil.rmtree(root / split / "squares")


def hollow(root):
    (root / "train" / "triangles").mkdir()
    (root / "val" / "triangles").mkdir()


def bare(root):
    shutil.rmtree(root / "train")
    (root / "train").mkdir()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lack, ["eval lacks 'squares' (10 train images)", 'data.missing_in_eval = "allow"']),
        (lone, ["{}: train must have at least 2 classes, got 'circles' only"]),
        (hollow, ["{}: train/triangles holds no images; add images"]),
        (bare, ["{}: train has no class folders", "root/train/ants/a.jpg"]),
    ],
)
@pytest.mark.parametrize("command", [[], ["explain"]], ids=["run", "explain"])
def test_folders_that_are_no_dataset(refused, recipe, copied, command, spoil, told):
    spoil(copied)
    refused(*command, recipe, f"data.root={copied}", told=[each.format(copied) for each in told])


@pytest.mark.parametrize("command", [[], ["explain"]], ids=["run", "explain"])
def test_a_root_that_is_no_folder(refused, recipe, command):
    refused(*command, recipe, "data.root=nowhere", told=["there is no folder /", "/nowhere; set"])
    refused(*command, recipe, f"data.root={recipe}", told=["is a file, not a folder"])


def test_unreadable_images_are_listed(refused, recipe, copied):
    (copied / "train" / "squares" / "004.jpg").write_bytes(b"")
    cut = copied / "train" / "squares" / "003.jpg"
    cut.write_bytes(cut.read_bytes()[:300])
    (copied / "val" / "circles" / "002.jpg").write_bytes(b"<html>")
    told = [
        "train: 2 of 20 images cannot be read",
        "train/squares/003.jpg: ",
        "train/squares/004.jpg: the file is empty",
        "eval: 1 of 11 images cannot be read",
        "val/circles/002.jpg: it holds a web page",
        'data.bad_images = "skip"',
    ]
    refused(recipe, f"data.root={copied}", told=told)


def test_a_class_that_skipping_would_empty(refused, recipe, copied):
    for file in (copied / "val" / "squares").iterdir():
        file.write_bytes(b"")
    told = ["eval: no image of 'squares' can be read; replace", "allow", "the file is empty"]
    refused(recipe, f"data.root={copied}", "data.bad_images=skip", told=told)


def test_a_class_that_is_in_one_split_only(main, refused, recipe, copied, tmp_path):
    """The recipe says what becomes of it, and the run says what that was."""
    shutil.copytree(copied / "val" / "squares", copied / "val" / "wasps")
    shutil.rmtree(copied / "val" / "squares")
    missing, unknown = 'data.missing_in_eval = "allow"', 'data.unknown_in_eval = "skip"'
    refused(recipe, f"data.root={copied}", told=["train lacks 'wasps' (5 eval", missing, unknown])
    keys = ("data.missing_in_eval=allow", "data.unknown_in_eval=skip")
    code, out, _ = main(recipe, f"data.root={copied}", *keys, "phases.1.epochs=1")
    assert code == 0
    lines = " ".join(out.split())
    assert "eval: left out 5 of 11 images, of classes that train lacks: 'wasps' (5 eval" in lines
    assert "eval has no images of 'squares' (10 train images): no figure is about these" in lines
    heading, *predicted = (tmp_path / "run" / "predictions.csv").read_text().splitlines()
    assert len(predicted) == 6
    assert "squares" in heading
    assert "wasps" not in heading
    code, out, _ = main("history", tmp_path / "run")
    assert "note: eval has no images of 'squares' (10 train images)" in out
    for file in (copied / "val" / "circles").iterdir():
        file.write_bytes(b"")
    told = ["eval: no image can be read", "the file is empty"]
    refused(recipe, f"data.root={copied}", *keys, "data.bad_images=skip", told=told)


def test_skipped_images_are_reported_left_out_and_not_replaced(main, recipe, copied, tmp_path):
    for name in ("train/squares/003.jpg", "val/circles/002.jpg"):
        (copied / name).write_bytes((copied / name).read_bytes()[:300])
    code, out, err = main(
        recipe, f"data.root={copied}", "data.bad_images=skip", "phases.1.epochs=1"
    )
    assert (code, err) == (0, "")
    assert "note: train: left out 1 of 20 images" in out
    assert "train/squares/003.jpg: " in out
    assert "19 to train on, 10 to evaluate on" in out
    predicted = (tmp_path / "run" / "predictions.csv").read_text().splitlines()[1:]
    names = [line.partition(",")[0] for line in predicted]
    assert len(names) == len(set(names)) == 10
    assert "val/circles/002.jpg" not in names


def test_images_of_other_kinds_are_trained_on(main, recipe, copied, tmp_path):
    """A palette, CMYK, 16 bits, transparency, a rotation, and a GIF that is called a JPEG."""
    folder = copied / "val" / "circles"
    image = Image.open(folder / "000.jpg").convert("RGB")
    grey16 = image.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    turned = Image.Exif()
    turned[274] = 6
    image.quantize(16).save(folder / "palette.png")
    image.convert("CMYK").save(folder / "cmyk.jpg")
    grey16.save(folder / "deep.png")
    image.convert("RGBA").save(folder / "alpha.png")
    image.save(folder / "turned.jpg", exif=turned)
    image.quantize(16).save(folder / "really_a_gif.jpg", format="GIF")
    code, _, err = main(recipe, f"data.root={copied}", "phases.1.epochs=1")
    assert (code, err) == (0, "")
    predicted = (tmp_path / "run" / "predictions.csv").read_text()
    for name in ("palette.png", "cmyk.jpg", "deep.png", "alpha.png", "turned.jpg", "really_a_gif"):
        assert f"val/circles/{name}" in predicted


# Weights


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["backbone.model=resnett18"], ["timm has no model 'resnett18'; did you mean 'resnet18'?"]),
        (
            ["backbone.model=resnet18", "backbone.weights=a9_in1k"],
            ["no weights 'a9_in1k' are published for resnet18; did you mean 'a3_in1k'?"],
        ),
        (
            ["backbone.kind=torchvision", "backbone.model=resnett18"],
            ["torchvision has no model 'resnett18'; did you mean 'resnet18'?"],
        ),
        (
            ["backbone={kind='torchvision', model='resnet18', weights='IMAGENET1K_V9'}"],
            ["no weights 'IMAGENET1K_V9' are published for resnet18", "IMAGENET1K_V1", '"none"'],
        ),
        (["backbone.weights=starter"], ['model must be "resnet18" for weights = "starter"']),
        (
            ["backbone.weights=nowhere.pth"],
            [
                "weights must name a file of weights, got /",
                "/nowhere.pth, which does not exist; write",
            ],
        ),
    ],
    ids=["timm model", "timm weights", "model", "weights", "starter", "file"],
)
@pytest.mark.parametrize("command", [[], ["explain"]], ids=["run", "explain"])
def test_backbones_and_weights_that_nobody_has(refused, recipe, command, overrides, told):
    refused(*command, recipe, *overrides, told=told)


@pytest.mark.parametrize("command", [(), ("explain",)])
def test_a_head_that_no_memory_holds(refused, recipe, command):
    told = ["the machine has too little memory", "more were requested; write a smaller batch_size"]
    refused(*command, recipe, "head={kind='mlp',hidden=[4000000000]}", told=told)


def test_images_that_no_memory_holds(refused, recipe, monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr("tlf.data.decoding.decode.opened", full)
    told = ["the machine has too little memory; write a smaller batch_size"]
    refused(recipe, 'cache.mode="off"', told=told)


def test_a_fault_of_our_own_keeps_its_traceback(main, recipe, monkeypatch):
    def broken(*_):
        raise RuntimeError("it broke")

    monkeypatch.setattr("tlf.runs.run.write_beginning", broken)
    with pytest.raises(RuntimeError, match="it broke"):
        main(recipe)


def test_damaged_weights(refused, recipe, tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"garbage" * 20)
    (tmp_path / "bad.pth").write_bytes(b"garbage" * 20)
    told = ["weights must name a file of weights, got ", "bad.safetensors, which is a text"]
    refused(recipe, "backbone.weights=bad.safetensors", told=told)
    refused(recipe, "backbone.weights=bad.pth", told=["bad.pth"])


def test_code_in_a_file_of_weights_does_not_run(refused, recipe, tmp_path):
    proof = tmp_path / "it_ran"
    torch.save({"weight": Code(proof)}, tmp_path / "code.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Code(proof), protocol=2))
    for name in ("code.pth", "plain.pth"):
        refused(recipe, f"backbone.weights={name}", told=[name, "could run code"])
    assert not proof.exists()


def test_weights_that_do_not_fit(refused, recipe, finished, tmp_path):
    tensors = load_file(finished / "model.safetensors")
    first = next(name for name in tensors if tensors[name].ndim == 4)
    changed = {n: t for n, t in tensors.items() if "layer4" not in n} | {first: torch.zeros(3, 3)}
    save_file(changed, tmp_path / "shape.safetensors")
    told = ["do not fit", "missing: layer4.", f"{first} is (3, 3) in the file and (16, 3, 3, 3)"]
    weights = f"backbone.weights={tmp_path / 'shape.safetensors'}"
    refused(recipe, weights, told=told)


# Where a run writes


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("recipe.toml", ["it is a file"]),
        ("recipe.toml/run", ["Not a directory"]),
        ("/proc/run", ["/proc/run"]),
        ("x" * 300, ["File name too long"]),
        ("x" * 300 + "/run", ["File name too long"]),
        ('"a\\u0000b"', ["must not contain the character NUL"]),
    ],
    ids=["file", "below a file", "proc", "long", "below long", "nul"],
)
def test_an_output_that_cannot_be_written(refused, recipe, output, told):
    refused(recipe, f"output={output}", told=["output", *told])


# Predicting


def test_predicting_without_a_run(refused, recipe, images, tmp_path):
    image = images / "val" / "circles" / "000.jpg"
    told = [
        "there is no nowhere/model.safetensors (/",
        "); name the folder of a run that has ended",
    ]
    refused("predict", "nowhere", image, told=told)
    (tmp_path / "empty").mkdir()
    refused("predict", "empty", image, told=["there is no empty/model.safetensors"])
    refused("predict", recipe, image, told=["name the folder of a run"])
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "recipe.toml").write_bytes(recipe.read_bytes())  # no run has written it
    refused("predict", "own", image, told=["name the folder of a run that has ended"])
    refused("resume", "own", told=["own (/", "/own) is not the folder of a run; write"])


def test_predicting_with_a_run_that_was_stopped(refused, recipe, images, tmp_path):
    events = package.run(recipe)
    for event in events:
        if isinstance(event, package.EpochResult):
            break
    events.close()
    told = ["there is no run/model.safetensors", "has not ended", "resume with: tlf resume run\n"]
    refused("predict", "run", images / "val", told=told)  # no state is stored yet
    refused("export", "run", "--to", "timm", told=told)
    head = tmp_path / "run" / "head.safetensors"
    for path in (head, head.parent):
        with pytest.raises(RunError, match=f"no {head}: .* resume with: tlf resume {head.parent}$"):
            package.load_head(path)
    for _ in package.resume(tmp_path / "run"):
        pass
    assert package.load_head(head).labels == ("circles", "squares")


def test_predicting_what_is_no_image(refused, recipe, run_copy, images, tmp_path):
    image = images / "val" / "circles" / "000.jpg"
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.jpg").write_bytes(image.read_bytes()[:300])
    refused(
        "predict", "run", image, "nowhere.jpg", told=["nowhere.jpg (/", "there is no such file"]
    )
    refused("predict", "run", "cut.jpg", "--format=csv", told=["cut.jpg: "])
    refused("predict", "run", recipe, told=["recipe.toml: not an image in a known format"])
    refused("predict", "run", "empty", told=["empty: no images in this folder"])
    model = run_copy / "model.safetensors"
    whole = model.read_bytes()
    model.write_bytes(whole[: len(whole) // 2])
    refused("predict", "run", image, told=["model.safetensors is damaged"])
    model.write_bytes(whole)
    (run_copy / "recipe.toml").unlink()
    refused(
        "predict",
        "run",
        image,
        told=["must also hold its recipe, got no run/recipe.toml"],
    )


# In processes of their own


def test_outside_a_missing_recipe(refused_outside, tmp_path):
    refused_outside(tmp_path / "nowhere.toml", told=["nowhere.toml", "no such file"])


@pytest.mark.parametrize(
    "backbone",
    ["{kind='torchvision', model='resnet18'}", "{kind='timm', model='resnet18'}"],
    ids=["torchvision", "timm"],
)
def test_outside_published_weights_without_a_network(tlf, recipe, tmp_path, backbone):
    before = tree(tmp_path)
    homes = {"TORCH_HOME": str(tmp_path / "torch"), "HF_HOME": str(tmp_path / "hf")}
    done = tlf(recipe, f"backbone={backbone}", **homes, **OFFLINE)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    fetching, _, error = done.stderr.rpartition("error: ")
    assert len(fetching.splitlines()) <= 1  # "fetching … from … to …"
    home = "torch" if "torchvision" in backbone else "hf"
    for words in ("cannot fetch resnet18", f"not at {tmp_path / home}", "starter", '"none"'):
        assert words in error
    left = {p for p in tree(tmp_path).keys() - before.keys() if Path(p).is_file()}
    assert not left
    assert not (tmp_path / "run").exists()


def test_a_plugin_that_is_not_installed(refused, recipe):
    refused(recipe, "head=gem:gem", told=["plugin 'gem' is not installed"])


def test_a_plugin_that_raises_on_import(refused, recipe, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(install(tmp_path, "raise RuntimeError('no licence')"))
    told = ["plugin 'gem' (tlf-gem 1.2): cannot be imported: RuntimeError: no licence"]
    refused(recipe, "head=gem:gem", told=told)


def test_two_plugins_of_one_name(refused, recipe, tmp_path, monkeypatch):
    for name in ("tlf-gem", "tlf-other"):
        monkeypatch.syspath_prepend(install(tmp_path, HEAD, distribution=name))
    told = ["plugin 'gem' is offered by tlf-", "tlf-gem 1.2", "tlf-other 1.2", "uninstall all but"]
    refused(recipe, "head=gem:gem", told=told)


def test_a_broken_plugin_that_the_recipe_does_not_name_is_left_alone(
    main, recipe, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(install(tmp_path, "raise RuntimeError('no licence')"))
    code, _, err = main("explain", recipe)
    assert (code, err) == (0, "")


def test_outside_a_precision_that_the_device_lacks(refused_outside, recipe):
    told = ['precision must be "bf16" or "no" on a CPU, got "fp16"']
    refused_outside(recipe, "precision=fp16", told=told, CUDA_VISIBLE_DEVICES="")


def test_processes_that_accelerate_does_not_start_on_a_cpu(recipe, tmp_path):
    command = ["accelerate", "launch", "--cpu", "--num_processes", "2", "-m", "tlf", str(recipe)]
    launcher = Path(sys.executable).with_name("accelerate")
    done = subprocess.run([launcher, *command[1:]], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "error: --num_processes must be 1 with accelerate launch on a CPU" in done.stderr
    assert "torchrun --nproc_per_node 2 -m tlf RECIPE" in done.stderr
    assert not (tmp_path / "run").exists()


# While it trains


def test_a_loss_that_is_no_number_stops_the_run_and_says_where(main, recipe, tmp_path):
    code, _, err = main(recipe, "phases.1.lr=1e30")
    assert code == 2
    assert re.match(
        r"error: the .* update \d+ must be finite, got (nan|inf) in phase all, epoch 1;", err
    )
    assert "write a lower lr" in err
    assert not (tmp_path / "run" / "model.safetensors").exists()

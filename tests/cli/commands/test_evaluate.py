"""``tlf evaluate`` prints figures, and writes them with the predictions and a page."""

import shutil

import pytest

from small import UNREADABLE


def test_a_run_is_evaluated_on_its_eval_split(main, run_copy):
    code, out, err = main("evaluate", run_copy)
    assert (code, err) == (0, "")
    assert out.startswith(f"model     {run_copy}\nimages    11 of the eval split of {run_copy}")
    folder = run_copy / "evaluations" / "eval"
    assert out.endswith(
        f"\n\npage      {folder}/report.html, with the figures and the predictions beside it\n"
    )
    assert {path.name for path in folder.iterdir()} == {
        "evaluation.json", "predictions.csv", "report.html",
    }  # fmt: skip
    assert "<title>" in (folder / "report.html").read_text()


def test_unreadable_images_are_listed_at_the_end(main, finished, spoilt, tmp_path):
    (spoilt / "val" / "stars").mkdir()
    shutil.copy(spoilt / "val" / "circles" / "001.jpg", spoilt / "val" / "stars")
    output = tmp_path / "out"
    code, out, err = main(
        "evaluate", finished, "--data", spoilt, "--split", "val", "--output", output
    )
    bad = [name for name in UNREADABLE if name.startswith("val/")]
    assert code == 1
    assert [line.split(": ")[:2] for line in err.splitlines()] == [["error", name] for name in bad]
    assert "left out  1 image of classes that the model does not know: 'stars' (1)" in out
    page = (output / "report.html").read_text()
    assert "Left out: 2 images that cannot be read." in page
    assert "&#39;stars&#39; (1)" in page


def test_two_models_and_options_of_the_data(main, finished, finished_bf16, images, tmp_path):
    code, out, err = main(
        *("evaluate", finished, finished_bf16, f"data.root={images}", "data.seed=1"),
        *("--tta", "flip", "--precision", "no", "--output", tmp_path / "out"),
    )
    assert (code, err) == (0, "")
    assert "with changed data" in out
    assert out.count("\nverdict ") == 3
    assert (tmp_path / "out" / "predictions-2-tta.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["RUN", "IMAGES"], "is not the folder of a run; to evaluate a model on the images in it"),
        (
            ["RUN", "RUN", "RUN"],
            "MODEL must be one model, or two to compare, got 3; for images, wr",
        ),
        (["data.root=x"], "MODEL must be one model, or two to compare, got 0"),
        (["RUN", "seed=1"], "seed=1: must change [data]"),
        (["gone"], "there is no gone"),
        (["RUN", "--data", "gone"], "data must be a folder of class folders or a CSV file"),
        (["RUN", "--split", "test"], "there is no split 'test'; Known: train, val"),
        (
            ["RUN", "--tta", "views=1"],
            "tta must be flip, or views=K with 2 to 10 views, got 'views",
        ),
        (["RUN/head.safetensors"], "a head needs its backbone, got"),
        (["RUN", "--output", "RUN/recipe.toml/x"], "cannot write the folder"),
    ],
)
def test_what_cannot_be_done_is_one_message(main, finished, images, arguments, told):
    given = [
        text.replace("RUN", str(finished)).replace("IMAGES", str(images)) for text in arguments
    ]
    code, out, err = main("evaluate", *given)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert not (finished / "evaluations").exists()


def test_the_exit_code_reaches_the_shell(tlf, finished, tmp_path):
    done = tlf("evaluate", finished, "--output", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"page      {tmp_path}/out/report.html, with" in done.stdout

"""``tlf export`` writes a file and prints how it compares with the run."""

from tlf.exports.export import Exported
from tlf.exports.preprocessing.difference import Difference


def test_the_file_and_the_comparison_are_printed(main, run_copy):
    code, out, err = main("export", run_copy, "--to", "timm")
    assert (code, err) == (0, "")
    path, comparison = out.splitlines()
    assert path == f"{run_copy}/exports/timm.safetensors"
    assert comparison.startswith("compared with the run on 11 eval images: probabilities differ by")
    assert comparison.count("top-1") == 2


def test_the_precision_of_the_run_is_said_where_it_is_another(main, finished_bf16, tmp_path):
    output = tmp_path / "mine.safetensors"
    code, out, _ = main("export", finished_bf16, "--to", "timm", "--output", output)
    assert code == 0
    assert "compared with the run, which computed in bf16, on 11 eval images" in out


def test_options(main, run_copy, tmp_path):
    output = tmp_path / "mine.safetensors"
    output.write_bytes(b"mine")
    command = ("export", run_copy, "--to", "head", "--output", output)
    code, _, err = main(*command)
    assert code == 2
    assert err == (
        f"error: {output} exists; write --overwrite to replace it, or --output for another file\n"
    )
    assert output.read_bytes() == b"mine"
    code, out, _ = main(*command, "--overwrite")
    assert (code, out.splitlines()[0]) == (0, str(output))
    assert output.read_bytes() == (run_copy / "head.safetensors").read_bytes()


def test_8_bits_are_for_onnx(main, run_copy):
    code, out, err = main("export", run_copy, "--to", "timm", "--int8")
    assert (code, out) == (2, "")
    assert err == (
        "error: --int8 needs --to onnx, got --to timm; write --to onnx, or leave --int8 out\n"
    )


def test_a_card_is_written(main, run_copy):
    code, out, err = main("export", run_copy, "--to", "card", "--licence", "mit")
    assert (code, out, err) == (0, f"{run_copy}/exports/README.md\n", "")
    code, _, err = main("export", run_copy, "--to", "card")
    assert (code, err.startswith(f"error: {run_copy}/exports/README.md exists; write")) == (2, True)


def test_options_that_do_not_fit_are_refused(main, run_copy):
    for to, option in {"card": "--int8", "hub": "--output=x", "onnx": "--private"}.items():
        code, _, err = main("export", run_copy, "--to", to, option)
        told = f"error: {option.partition('=')[0]} must be left out with --to {to}; write another"
        assert (code, err.startswith(told)) == (2, True)
    code, _, err = main("export", run_copy, "--to", "hub")
    assert (code, err) == (2, "error: --to hub needs --repo, got none; write --repo user/name\n")


def test_a_push_says_where_the_model_is(main, run_copy, monkeypatch):
    from tlf.publishing.hub.push import Pushed

    pushed = Pushed(
        "me/x", "http://hub/me/x", "abc", {"README.md": 1}, "its head is no linear layer"
    )
    monkeypatch.setattr("tlf.push", lambda *_, **__: pushed, raising=False)
    code, out, _ = main("export", run_copy, "--to", "hub", "--repo", "me/x")
    assert code == 0
    assert out.splitlines()[:2] == ["http://hub/me/x", "commit abc, 1 files"]
    assert "tlf predict hf-hub:me/x IMAGE...  classifies with it; hf-hub:me/x@abc stays" in out
    assert "tlf alone loads the whole model: its head is no linear layer" in out


def test_what_preprocessing_in_the_file_changes_is_printed(main, monkeypatch):
    changed = Difference(
        levels=1, white=255, values=0.00123, largest=0.0004, mean=2e-5, predictions=0
    )
    exported = Exported(
        "a.onnx", 11, 0.1, {"top1": 1.0}, {"top1": 1.0}, "no", preprocessing=changed
    )
    monkeypatch.setattr("tlf.export", lambda run, to, output, **options: exported)
    code, out, err = main("export", "runs/mine", "--to", "onnx", "--with-preprocessing")
    assert (code, err) == (0, "")
    assert out.splitlines()[2] == (
        "compared with Pillow's pixels: 0.12% of the values differ, by at most 1 of 255 grey "
        "levels; probabilities by at most 0.0004, on average 2e-05; predictions for 0 of 11 images"
    )


def test_preprocessing_is_for_two_formats(main, run_copy):
    code, out, err = main("export", run_copy, "--to", "timm", "--with-preprocessing")
    assert (code, out) == (2, "")
    assert err == (
        "error: --with-preprocessing needs --to onnx or torch-export, got --to timm; write one of "
        "them, or leave --with-preprocessing out\n"
    )


def test_a_format_that_is_not_there_gets_the_near_one(main, finished):
    code, _, err = main("export", finished, "--to", "crad")
    assert code == 2
    assert err.startswith("error: there is no format 'crad'; did you mean 'card'? Known: ")

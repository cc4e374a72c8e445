"""``tlf history`` prints a table of epochs."""

from run_files import metrics


def test_the_epochs_of_a_run(main, finished, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")  # a table that is longer than the terminal is not wrapped
    code, out, err = main("history", finished)
    assert (code, err) == (0, "")
    _, header, *rows, best = out.splitlines()
    assert header.split()[:2] == ["phase", "epoch"]
    assert [row.replace("*", " ").split()[:2] for row in rows] == [
        ["head", "1"], ["all", "1"], ["all", "2"]
    ]  # fmt: skip
    assert best == "* the best epoch, by eval_top1"
    for row, epoch in zip(rows, metrics(finished), strict=True):
        assert float(row.split()[2]) == round(epoch["train_loss"], 4)
        assert row.split()[3] == f"{epoch['train_top1']:.2%}"


def test_stages_and_proof_are_added(main, finished):
    code, out, _ = main("history", finished, "--stages")
    assert code == 0
    for line in (
        "head      1  stem ",
        "phase all, from epoch 1",
        "  trained   2 of 2 tensors moved",
    ):
        assert f"\n{line}" in out
    assert "values unchanged, bit for bit" in out


def test_learning_curves(main, finished, run_copy, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    code, out, err = main("history", finished, "--plot")
    assert (code, err) == (0, "")
    assert out.startswith("loss: eval ")
    assert "\ntop-1: eval " in out
    assert max(map(len, out.splitlines())) == 60
    assert "\n▲ more tensors train than before\n● the best epoch, by eval_top1: " in out
    (run_copy / "segments.jsonl").unlink()  # as an older tlf leaves it
    code, both, _ = main("history", finished, run_copy, "--plot")
    assert code == 0
    assert both.startswith(f"{finished}\nloss: ")
    assert both.count("▲ more") == 1


def test_runs_side_by_side(main, finished, run_copy):
    code, out, _ = main("history", finished, run_copy)
    assert code == 0
    assert out.splitlines()[:2] == [f"run 1  {finished}", f"run 2  {run_copy}"]
    code, _, err = main("history", finished, run_copy.parent)
    assert code == 2
    assert err.startswith(f"error: there is no {run_copy.parent / 'metrics.jsonl'}")

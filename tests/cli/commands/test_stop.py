"""``tlf stop`` says where the run was stopped, and what to do next."""


def test_it_says_where_and_what_comes_next(main, monkeypatch, tmp_path):
    def stop(run, timeout):
        return f"stopped on request in epoch 2 of 9 of phase all, after {timeout:g} s"

    monkeypatch.setattr("tlf.stop", stop, raising=False)
    code, out, err = main("stop", tmp_path, "--timeout", "5")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "stopped on request in epoch 2 of 9 of phase all, after 5 s",
        f"model     {tmp_path}/model.safetensors",
        f"go on     tlf resume {tmp_path}",
    ]


def test_a_run_that_has_ended_by_itself_goes_on_with_more_epochs(main, monkeypatch, run_copy):
    monkeypatch.setattr("tlf.stop", lambda *_: "the run has ended by itself", raising=False)
    _, out, _ = main("stop", run_copy)
    assert out.endswith(f"go on     tlf resume {run_copy} phases.all.epochs=3\n")

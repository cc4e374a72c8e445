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

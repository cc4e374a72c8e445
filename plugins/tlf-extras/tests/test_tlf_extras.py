"""The log has every update once, after a kill too; the program gives the model's logits."""

import torch
from tlf_extras import Contrast, Pixels, Steps

from tlf.runs.resume import resumed
from tlf.runs.run import run
from tlf.testing import check_exporter, check_extension, check_transform
from tlf.testing.tiny_run import UPDATES, tiny_plan


def test_it_keeps_the_contract():
    check_extension(Steps(), measured=["seconds", "since", "path"])
    check_exporter(Pixels())
    check_transform(Contrast(radius=3))


def test_contrast_does_not_depend_on_the_light():
    pattern = torch.randint(0, 40, (3, 20, 20), generator=torch.Generator().manual_seed(0))
    dark, bright = ((pattern + light).to(torch.uint8) for light in (0, 200))
    even = Contrast(radius=4).transform(dark)
    assert (even.float() - Contrast(radius=4).transform(bright).float()).abs().max() <= 1
    assert even.float().std() > pattern.float().std()
    assert (Contrast().transform(torch.full((1, 9, 9), 7, dtype=torch.uint8)) == 128).all()


def test_every_update_is_a_line_after_a_kill_too(tmp_path):
    folder, log = tmp_path / "run", tmp_path / "run" / "steps.csv"
    events = run(tiny_plan(folder, extensions=[Steps()]))
    while not log.exists() or len(log.read_text().splitlines()) < 6:
        next(events)
    events.close()
    with log.open("a") as file:
        file.write("written after the last stored state\n")
    [*_] = resumed(folder, lambda: tiny_plan(folder, extensions=[Steps()]))
    head, *lines = [line.split(",") for line in log.read_text().splitlines()]
    assert head[:3] == ["phase", "epoch", "update"]
    assert [tuple(line[:3]) for line in lines] == [
        (phase, str(epoch), str(update))
        for phase, epoch in (("head", 0), ("head", 1), ("all", 0))
        for update in range(3)
    ]
    assert len(lines) == UPDATES
    seconds = [float(line[3]) for line in lines]
    assert seconds == sorted(seconds)


def test_an_error_is_the_last_line(tmp_path):
    steps = Steps()
    steps.tlf_run_started(folder=str(tmp_path), resumed=False)
    steps.tlf_run_failed(error=ValueError("two\nlines"))
    assert (tmp_path / "steps.csv").read_text().endswith("\n# ValueError: two lines\n")

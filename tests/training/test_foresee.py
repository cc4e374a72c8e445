"""Policies are asked about later epochs, with invented results."""

from tlf.errors import PluginError
from tlf.results import Progress
from tlf.tasks.single_label import SingleLabel
from tlf.training.foresee import foresee


def test_foreseeing_asks_for_every_epoch_but_the_first():
    asked = []

    def ask(progress):
        asked.append(progress)
        if progress.epoch == 2:
            raise PluginError("broke")
        return frozenset()

    answers = dict(
        foresee(ask, Progress(0, 4, monitor="eval_loss"), ["stem"], SingleLabel().plausible, {})
    )
    assert answers == {1: (frozenset(),) * 2, 2: (None, None), 3: (frozenset(),) * 2}
    assert [len(p.history) for p in asked] == [1, 1, 2, 2, 3, 3]
    assert {p.monitor for p in asked} == {"eval_loss"}
    stalled, improving = asked[-2:]
    assert len({(r.train_loss, r.eval_loss, r.eval_top1) for r in stalled.history}) == 1
    losses = [result.eval_loss for result in improving.history]
    assert losses == sorted(losses, reverse=True)
    assert len({*losses}) == 3


def test_a_phase_without_an_end_in_sight_is_not_asked_about_for_long():
    asked = []
    plausible = SingleLabel().plausible
    found = foresee(
        lambda p: asked.append(p) or frozenset(), Progress(0, 20_000), ["stem"], plausible, {}
    )
    assert [epoch for epoch, _ in found] == [*range(1, 51), 19_999]
    assert len(asked[-1].history) == 19_999

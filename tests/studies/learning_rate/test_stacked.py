"""A wide head is many heads, each as a run trains it."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from new_heads import DECAYS, HEAD, new_heads
from tlf.runs.run import run
from tlf.studies.learning_rate import stacked as module
from tlf.studies.learning_rate.deals import Deal, Outcome
from tlf.studies.learning_rate.grid import at_rate
from tlf.studies.learning_rate.stacked import stacks, train_at_once

TOP = 'seed = 3\nmonitor = "train_loss"\n'
RECIPES = {
    "sgd that decays, clipped, with images held out": f"""{TOP}
        clip_grad_norm = 0.05
        calibration = 0.3
        {DECAYS}""",
    "adamw, dropout, smoothed labels, adjusted logits, rates by name, balanced draws": f"""{TOP}
        sampler = "balanced"
        optimizer = "adamw"
        head = {{ kind = "linear", dropout = 0.5 }}
        loss = {{ kind = "cross-entropy", label_smoothing = 0.1, logit_adjustment = 1.0 }}
        {HEAD}
        lr_matching = {{ "head.bias" = 0.2 }}""",
}


@pytest.mark.parametrize("name", RECIPES)
def test_at_one_rate_and_seed_it_is_what_a_run_trains(images, tmp_path, name):
    heads = new_heads(tmp_path, images, RECIPES[name], (3, 4))
    *_, result = run(tmp_path / "recipe.toml")
    assert result.best.epoch == 1
    trained = load_file(f"{result.folder}/head.safetensors")
    own = max(heads.segment.rates.values())
    phases = [at_rate(heads.phase, own, rate) for rate in (own / 10, own, own * 1e20)]
    wide = module._Wide(heads, [Deal(0, 4, (1, 5)), Deal(1, 3, ())], phases)
    for epoch in range(2):
        wide.train(epoch)
    for key in ("weight", "bias"):
        torch.testing.assert_close(wide.tensors[key][1, 1], trained[key])
        assert not torch.allclose(wide.tensors[key][0, 1], trained[key])
        assert not torch.allclose(wide.tensors[key][1, 0], trained[key])


def test_heads_are_judged_on_what_they_have_not_seen(images, tmp_path, monkeypatch):
    heads = new_heads(tmp_path, images, HEAD)
    deals = [Deal(0, 0, (0, 3)), Deal(1, 0, (1, 4, 5, 6)), Deal(2, 0, (7,))]
    rates = (0.05, 0.5, 5.0)

    def outcomes():
        events = list(train_at_once(heads, deals, 0.05, rates))
        found = [event for event in events if isinstance(event, Outcome)]
        return sorted(found, key=lambda one: (one.deal.number, one.rate)), events

    at_once, events = outcomes()
    assert [len(one.per_image) for one in at_once] == [2, 2, 2, 4, 4, 4, 1, 1, 1]
    prepared = [event for event in events if not isinstance(event, Outcome)]
    trained_on = 3 * (18 + 16 + 19)
    assert [event.done for event in prepared][-1] == prepared[0].images == 2 * trained_on
    monkeypatch.setattr(module, "MOST", 2 * heads.size)
    in_parts, _ = outcomes()
    for one, other in zip(at_once, in_parts, strict=True):
        assert one.loss == pytest.approx(other.loss, nan_ok=True)
        assert one.per_image.tolist() == other.per_image.tolist()


def test_a_rate_that_breaks_off_leaves_the_others_alone(images, tmp_path):
    heads = new_heads(tmp_path, images, DECAYS)
    events = train_at_once(heads, [Deal(0, 0, (0, 3))], 0.05, (0.05, 1e30))
    sound, broken = [event for event in events if isinstance(event, Outcome)]
    (alone,) = [
        e for e in train_at_once(heads, [sound.deal], 0.05, (0.05,)) if isinstance(e, Outcome)
    ]
    assert sound.loss == pytest.approx(alone.loss)
    assert broken.loss != broken.loss


@pytest.mark.parametrize(
    "text",
    [
        HEAD.replace('"cosine"', '"plateau"'),
        HEAD + "ema = 0.9\n",
        HEAD + "early_stopping = { patience = 2 }\n",
        '[head]\nkind = "mlp"\nhidden = [4]\n' + HEAD,
        'optimizer = { kind = "timm", name = "lamb" }\n' + HEAD,
        'accumulate = 2\nhead = { kind = "linear", dropout = 0.5 }\n' + HEAD,
        'precision = "bf16"\n' + HEAD,
    ],
)
def test_what_cannot_be_stacked_exactly_is_not(images, tmp_path, text):
    heads = new_heads(tmp_path, images, text)
    assert not stacks(heads.job, heads.phase)


def test_a_plain_linear_head_is_stacked(images, tmp_path):
    heads = new_heads(tmp_path, images, HEAD)
    assert stacks(heads.job, heads.phase)
    assert not stacks(heads.job, replace(heads.phase, ema=0.5))

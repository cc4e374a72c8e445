"""A probe asks once about a state of a network."""

import pytest
import torch

from tlf.freezing.find_unused import Unused
from tlf.freezing.freeze import digests, freeze
from tlf.training.segments import probes
from tlf.training.segments.probes import ProbeAnswers, agreed_partition, unused_parameters

IMAGE = (3, 32, 32)


@pytest.fixture
def asked(job, monkeypatch):
    """How often each probe has asked."""
    counts = {"find_partition": 0, "find_unused": 0}
    for name in counts:
        find = getattr(probes, name)

        def counted(*given, name=name, find=find):
            counts[name] += 1
            return find(*given)

        monkeypatch.setattr(probes, name, counted)
    return counts


def test_it_asks_again_where_weights_or_what_trains_differ(job, asked):
    found = ProbeAnswers()

    def ask(frozen):
        freeze(job.classifier, frozen)
        given = job.accelerator, job.classifier, IMAGE
        now = digests(job.classifier)
        assert unused_parameters(*given, now, found) == Unused()
        return agreed_partition(*given, 8, now, found)

    first = ask(job.classifier.backbone_names)
    assert first.whole
    with torch.no_grad():
        job.classifier.head.weight += 1  # a probe does not depend on it
    assert ask(job.classifier.backbone_names) is first
    assert asked == {"find_partition": 1, "find_unused": 1}
    assert not ask(job.classifier.stage("stem")).whole
    assert asked == {"find_partition": 2, "find_unused": 2}
    with torch.no_grad():
        job.classifier.backbone.conv1[0].weight[0, 0, 0, 0] += 1
    assert ask(job.classifier.backbone_names) == first
    assert asked == {"find_partition": 3, "find_unused": 3}


def test_it_does_not_ask_where_a_plugin_computes_the_loss(job, asked):
    given, now = (job.accelerator, job.classifier, None), digests(job.classifier)
    assert unused_parameters(*given, now, ProbeAnswers()) == Unused()
    assert agreed_partition(*given, 8, now, ProbeAnswers()) is None
    assert asked == {"find_partition": 0, "find_unused": 0}

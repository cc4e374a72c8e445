"""Answers of probes in the cache: used by other processes, and never for another network."""

from dataclasses import replace

import pytest
import torch

from tlf.cache.store import Cache
from tlf.freezing.find_unused import Unused
from tlf.freezing.freeze import digests, freeze
from tlf.recipe.plan import plan_of
from tlf.training.job import open_job
from tlf.training.segments import probes
from tlf.training.segments.probes import ProbeAnswers, agreed_partition, unused_parameters
from tlf.training.segments.stored_answers import StoredAnswers, stores_answers

SMALL = (3, 32, 32)


@pytest.fixture
def asked(monkeypatch):
    """The probes that were asked."""
    names: list[str] = []
    for name in ("find_partition", "find_unused"):
        find = getattr(probes, name)

        def counted(*given, name=name, find=find):
            names.append(name)
            return find(*given)

        monkeypatch.setattr(probes, name, counted)
    return names


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", 10**7)


@pytest.fixture
def answers(job, cache):
    """What a new process gets, which knows nothing but what is stored."""

    def ask(image=SMALL, frozen=None, piece=8):
        offer, recipe = job.plan.plugins.catalogue.offer, job.recipe
        components = tuple((one, offer(one)) for one in (recipe.backbone, recipe.head))
        stored = StoredAnswers(cache, components)
        freeze(job.classifier, frozen or job.classifier.backbone_names)
        given, now = (job.accelerator, job.classifier, image), digests(job.classifier)
        known = ProbeAnswers(stored=stored)
        return unused_parameters(*given, now, known), agreed_partition(*given, piece, now, known)

    return ask


def test_another_process_asks_no_more_and_gets_the_same(answers, asked):
    unused, partition = answers()
    assert partition.whole
    assert sorted(asked) == ["find_partition", "find_unused"]
    again = answers()
    assert again == (unused, partition)
    assert repr(again[1]) == repr(partition)  # it is in the key of features
    assert len(asked) == 2


def test_a_network_that_cannot_be_left_is_known_too(answers, asked, job):
    top = job.classifier.stage([*job.classifier.stages][-1])
    assert answers(frozen=top)[1] is None
    assert answers(frozen=top)[1] is None
    assert asked.count("find_partition") == 1


def test_parameters_that_cannot_train_are_known(job, cache):
    found = Unused(frozenset({"b", "a"}), frozenset({"c"}))
    stored = StoredAnswers(cache, ())
    assert stored.unused(job.classifier, {}, lambda: found) == found
    assert stored.unused(job.classifier, {}, pytest.fail) == found


def _other_settings(job, monkeypatch):
    norm = next(m for m in job.classifier.modules() if isinstance(m, torch.nn.BatchNorm2d))
    monkeypatch.setattr(norm, "eps", 0.5)


def _other_buffer(job, monkeypatch):
    mean = next(b for n, b in job.classifier.backbone.named_buffers() if n.endswith("mean"))
    mean += 1


def _other_weight(job, monkeypatch):
    with torch.no_grad():
        next(job.classifier.backbone.parameters())[0] += 1


def _other_code(job, monkeypatch):
    monkeypatch.setattr("tlf.cache.keys.engine", lambda: "of another version")


def _other_torch(job, monkeypatch):
    monkeypatch.setattr("tlf.cache.keys.version", lambda name: "0.0")


def _other_processor(job, monkeypatch):
    monkeypatch.setattr("tlf.cache.arithmetic.processor", lambda: "another")


def _other_environment(job, monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")


def _other_stages(job, monkeypatch):
    stages = job.classifier.stages
    monkeypatch.setattr(job.classifier, "stages", dict(reversed(stages.items())))


def _other_head(job, monkeypatch):
    head = torch.nn.Sequential(job.classifier.head)
    monkeypatch.setitem(job.classifier._modules, "head", head)


@pytest.mark.parametrize(
    "change",
    [_other_settings, _other_buffer, _other_weight, _other_code, _other_torch, _other_processor,
     _other_environment, _other_stages, _other_head],
)  # fmt: skip
def test_another_network_or_machine_is_asked_anew(answers, asked, job, monkeypatch, change):
    answers()
    del asked[:]
    change(job, monkeypatch)
    answers()
    assert {*asked} == {"find_partition", "find_unused"}


@pytest.mark.parametrize("other", [{"image": (3, 48, 48)}, {"piece": 4}])
def test_other_batches_are_asked_anew(answers, asked, other):
    answers()
    answers(**other)
    assert asked.count("find_partition") == 2


def test_another_number_of_threads_is_asked_anew(answers, asked, threads):
    answers()
    threads(torch.get_num_threads() + 1)
    answers()
    assert asked.count("find_partition") == 2


def test_what_trains_is_part_of_it(answers, asked, job):
    assert answers()[1].whole
    assert not answers(frozen=job.classifier.stage("stem"))[1].whole
    assert asked.count("find_partition") == asked.count("find_unused") == 2


def test_a_damaged_answer_is_asked_anew_and_stored_again(answers, asked, cache):
    first = answers()
    for entry in cache.entries():
        data = entry.folder / "data"
        data.write_bytes(data.read_bytes()[::-1])
    assert answers() == first
    assert len(asked) == 4
    assert answers() == first
    assert len(asked) == 4


def test_a_cache_without_room_changes_nothing(answers, asked, monkeypatch):
    def full(*_):
        raise OSError("no room")

    monkeypatch.setattr(Cache, "begin", full)
    assert answers() == answers()
    assert len(asked) == 4


def test_only_one_process_on_a_cpu_stores(job):
    class Several:
        num_processes = 2
        device = torch.device("cpu")

    class Gpu:
        num_processes = 1
        device = torch.device("cuda")

    assert stores_answers(job.accelerator)
    assert not stores_answers(Several())
    assert not stores_answers(Gpu())


def test_a_job_stores_answers_unless_the_cache_is_off_or_a_plugin_gets_the_model(job, monkeypatch):
    def stored(*overrides):
        return open_job(plan_of(job.plan, overrides), job.accelerator).probe_answers.stored

    assert stored().cache == job.cache
    assert stored("cache.mode=off") is None
    monkeypatch.setattr(type(job.plan.plugins), "changing", ("mine",))
    assert stored() is None


def test_options_of_a_head_are_part_of_it(job, cache):
    offer, head = job.plan.plugins.catalogue.offer, job.recipe.head
    first = StoredAnswers(cache, ((head, offer(head)),))
    other = StoredAnswers(cache, ((replace(head, dropout=0.5), offer(head)),))
    assert first.partition(job.classifier, {}, lambda: None) is None
    assert first.partition(job.classifier, {}, pytest.fail) is None
    with pytest.raises(KeyboardInterrupt):
        other.partition(job.classifier, {}, _interrupt)


def _interrupt():
    raise KeyboardInterrupt

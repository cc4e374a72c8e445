"""A component does the same in a second process, or the check fails."""

import importlib

import pytest

from broken import second_process as broken
from tlf import testing
from tlf.testing.contract import own_catalogue, to_recipe
from tlf.testing.second_process import check_second_process, describe


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_named(name):
    broken.RULES.assert_named(name, testing.check_scheduler)


def test_a_component_is_described_by_what_it_does():
    step = own_catalogue().of("tlf_schedulers")["step"].component
    first = describe(step(), "tlf_schedulers")
    assert first == describe(step(), "tlf_schedulers")
    assert first != describe(step(gamma=0.5), "tlf_schedulers")


def test_one_process_answers_for_components_of_several_kinds():
    linear = own_catalogue().of("tlf_heads")["linear"].component()
    check_second_process(linear, "tlf_heads", to_recipe(linear, "tlf_heads"))
    cosine = own_catalogue().of("tlf_schedulers")["cosine"].component()
    check_second_process(cosine, "tlf_schedulers", to_recipe(cosine, "tlf_schedulers"))


def test_what_a_component_prints_does_not_disturb_the_second_process(tmp_path, monkeypatch):
    source = """
import os
from dataclasses import dataclass
@dataclass(frozen=True)
class Chatty:
    def factor(self, progress):
        print("here")
        os.write(1, b"and here\\n")
        return 1.0
"""
    (tmp_path / "chatty_plugin.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    testing.check_scheduler(importlib.import_module("chatty_plugin").Chatty())

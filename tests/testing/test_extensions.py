"""check_extension: whole extensions and modules pass, and every broken rule is named."""

import gc
from types import ModuleType

import pytest

from broken import extensions as broken
from tlf.hookspecs import hookimpl
from tlf.testing import check_extension


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_an_extension_that_keeps_its_state_passes(tmp_path):
    check_extension(broken.Counting())
    assert [*tmp_path.iterdir()] == []


def test_what_a_program_has_excluded_from_the_collection_of_garbage_stays_so():
    gc.freeze()
    check_extension(broken.Counting())
    assert gc.get_freeze_count()


def test_the_hooks_of_a_module_are_checked():
    module = ModuleType("hooks")
    module.tlf_epoch_ended = hookimpl(lambda result: None)
    check_extension(module)
    module.tlf_epoch_ended = hookimpl(lambda result: result.nothing)
    with pytest.raises(AssertionError, match=r"failed in tlf_epoch_ended: AttributeError"):
        check_extension(module)


def test_what_is_measured_may_differ():
    check_extension(broken.Outside(), measured=["updates"])


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_named(name):
    broken.RULES.assert_named(name, check_extension)

"""The table of architectures says what works, for every family of both libraries."""

import pytest
import timm
from torchvision import models

from architectures import NETWORKS, TIMM, TOO_LARGE, TORCHVISION, rows, tried


def test_the_table_has_every_family():
    """A family is a module of a library that defines architectures."""
    module_of = timm.models._registry._model_to_module
    missing = {*timm.list_modules()} - {module_of.get(name) for name in TIMM}
    older = [name for name in TIMM if name not in module_of]  # than the timm of the table
    assert older or missing <= {*TOO_LARGE}, "add a small member of each to tests/architectures.py"
    known = models.list_models(module=models)
    module = {name: models.get_model_builder(name).__module__ for name in known}
    assert {*module.values()} == {module[name] for name in TORCHVISION}
    assert [*rows()] == [*NETWORKS]


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_what_the_table_says_works(network):
    library, _, model = network.partition(":")
    if library == "timm" and not timm.is_model(model.partition("+")[0]):
        pytest.skip(f"timm {timm.__version__} has no {model}")
    assert str(tried(network)) == rows()[network]

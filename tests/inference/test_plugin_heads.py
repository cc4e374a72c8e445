"""Heads of plugins, in files."""

from importlib.metadata import EntryPoint

import pytest
import torch

from small_heads import written
from tlf.errors import WeightsError
from tlf.inference.head import load_head


@pytest.fixture
def path(tmp_path):
    return tmp_path / "head.safetensors"


PLUGIN = """
from dataclasses import dataclass
from torch import nn
from tlf.hookspecs import hookimpl

@dataclass(frozen=True)
class Wide:
    width: int = 4
    def build(self, num_features, num_classes):
        first = nn.Linear(num_features, self.width)
        return nn.Sequential(first, nn.Linear(self.width, num_classes))

@hookimpl
def tlf_heads():
    return {"wide": Wide}
"""


def test_a_plugins_head_needs_the_plugin(path, tmp_path, monkeypatch):
    (tmp_path / "tlf_test_wide.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    import tlf_test_wide

    classifier, features = written(
        path, tlf_test_wide.Wide(width=5), "wide:wide", {"wide": "tlf-wide 1.2"}
    )
    monkeypatch.setattr("tlf.plugins.discovery.entry_points", lambda group: ())
    with pytest.raises(WeightsError) as caught:
        load_head(path)
    told = str(caught.value)
    assert "'wide:wide', needs the plugin 'wide' of tlf-wide 1.2" in told
    assert "is not installed" in told
    entry = EntryPoint("wide", "tlf_test_wide", "tlf")
    monkeypatch.setattr("tlf.plugins.discovery.entry_points", lambda group: (entry,))
    assert torch.equal(load_head(path)(features), classifier.head(features))
    (tmp_path / "tlf_test_narrow.py").write_text(PLUGIN.replace('"wide"', '"narrow"'))
    entry = EntryPoint("wide", "tlf_test_narrow", "tlf")
    monkeypatch.setattr("tlf.plugins.discovery.entry_points", lambda group: (entry,))
    with pytest.raises(WeightsError, match=r"must offer 'wide:wide', .*; install tlf-wide"):
        load_head(path)

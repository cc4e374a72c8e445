"""What a run is made of, and which process differs in it."""

import sys

import pytest

import tlf
from installing import write_project
from tlf.cache.keys import engine, sources
from tlf.errors import RunError
from tlf.plugins.loading import load_plugins
from tlf.recipe.plan import read_plan
from tlf.runs import identity as module
from tlf.runs.identity import LOCAL, check_processes, differences, plan_identity

PLUGIN = """
from tlf.hookspecs import hookimpl

@hookimpl
def tlf_phase_started(phase):
    return {}
"""


def code_of(plan, name):
    """The hash of a plugin's code."""
    return next(p["sha256"] for p in plan_identity(plan)["plugins"] if p["name"] == name)


def test_it_has_versions_code_and_the_recipe(recipe):
    identity = plan_identity(read_plan(recipe, ["seed=3"]))
    assert identity["versions"]["tlf"] == tlf.__version__
    assert identity["plugins"] == [
        {"name": "tlf", "distribution": "tlf", "version": tlf.__version__, "sha256": engine()}
    ]
    assert "seed = 3\n" in identity["recipe"]


def test_the_code_of_a_plugin_is_in_it(recipe, tmp_path, monkeypatch):
    project = write_project(tmp_path / "gem", "gem", PLUGIN.format(1))
    info = project / "tlf_gem-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tlf-gem\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[tlf]\ngem = gem_plugin\n")
    monkeypatch.syspath_prepend(project)
    plan = read_plan(recipe, ['plugins=["gem"]'])
    before = plan_identity(plan)
    assert before["plugins"][1].items() >= {("name", "gem"), ("version", "1.2")}
    (project / "another.py").write_text("")  # of another distribution in the same folder
    sources.cache_clear()
    assert plan_identity(plan) == before
    (project / "gem_plugin.py").write_text(PLUGIN.format(2))
    sources.cache_clear()
    after = plan_identity(plan)
    found = [difference.since() for difference in differences(before, after, ())]
    assert found == ["the code of the plugin 'gem' changed"]
    without = plan_identity(read_plan(recipe))
    found = [difference.since() for difference in differences(without, before, ("plugins",))]
    assert found == ["the plugin 'gem' was not used and is tlf-gem 1.2"]
    sys.modules.pop("gem_plugin")
    sources.cache_clear()


@pytest.fixture
def refused(monkeypatch):
    """The message of this process, the second of which has another identity."""

    def message(own, *others):
        hosts = [("near", own), *((f"far-{n}", other) for n, other in enumerate(others, start=1))]
        monkeypatch.setattr("tlf.runtime.processes.gathered", lambda _: hosts)
        with pytest.raises(RunError) as raised:
            check_processes(own)
        return str(raised.value)

    return message


AGAIN = "; start all processes with the same recipe, versions, code and weights"


def test_the_process_that_differs_and_the_first_difference_are_named(refused):
    own = {"recipe": "seed = 1\nworkers = 1", "precision": "no", "backbone_sha256": "a"}
    free = own | {"recipe": "seed = 1\nworkers = 9\n[data]\nroot = 'elsewhere'"}
    other = own | {"recipe": "seed = 2", "precision": "bf16"}
    assert refused(own, free, other) == (
        "seed must be the same in all processes, got 1 in process 0 on near and 2 in process 2 on "
        f"far-2{AGAIN}"
    )
    assert refused(own, own | {"backbone_sha256": "b"}) == (
        "the weights of the backbone must be the same in all processes, got another in process 1 "
        f"on far-1 than in process 0 on near{AGAIN}"
    )


def test_hosts_may_have_their_files_in_other_places(refused):
    own, other = ({"recipe": f"[backbone]\nweights = '/{host}/x.pth'"} for host in "ab")
    assert "backbone.weights must be the same" in refused(own, other)
    check_processes(own, ["backbone.weights"])


def test_processes_that_agree_are_accepted(recipe):
    check_processes(plan_identity(read_plan(recipe)))


def test_what_is_exchanged_in_other_ways_is_compared():
    """Where one process has a cache and another has none, they would wait for each other."""
    assert not "cache.mode".startswith(LOCAL)


def test_plugins_that_come_with_tlf_have_its_code():
    assert module._code(load_plugins([]).loaded[0], load_plugins([])) == engine()

"""The meeting of two processes, or of one that waits for another in vain."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from torch import distributed
from torch.distributed import HashStore

from forks import Fork
from places import ROOT
from tlf.errors import RunError
from tlf.runtime import meeting
from tlf.runtime.connections import SILENCE

MISSING = (
    r"all 2 processes of this run must start within 1 seconds and meet at localhost:\d+, got "
    "fewer: their own messages may say why; start all processes again"
)
COMES = """
from datetime import timedelta
from torch.distributed.rendezvous import rendezvous
next(rendezvous("env://", timeout=timedelta(seconds=30)))[0].set("tlf/started/1", '"127.0.0.1"')
"""


@pytest.fixture
def launched(monkeypatch):
    """Make this process one of two; gives how to set its number."""
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    names = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
    }
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(meeting, "PATIENCE", 1)
    return lambda rank: monkeypatch.setenv("RANK", str(rank))


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_never_starts_is_not_waited_for(launched, rank, capfd):
    launched(rank)
    started = time.monotonic()
    with pytest.raises(RunError, match=MISSING), meeting.meeting(over_gloo=True):
        pytest.fail("met nobody")
    assert time.monotonic() - started < 10
    assert capfd.readouterr() == ("", "")


def test_a_process_that_ends_before_all_have_met_is_not_waited_for(launched, monkeypatch):
    """Where the launcher has the store, the main process does not wait as it connects."""
    launched(1)
    monkeypatch.setattr(meeting, "_route", lambda: ("127.0.0.1", "127.0.0.1"))
    store = SimpleNamespace(set=lambda *_: None, check=lambda _: False)
    monkeypatch.setattr(meeting, "rendezvous", lambda *_, **__: iter([(store, 1, 2)]))
    with pytest.raises(RunError, match=MISSING), meeting.meeting(over_gloo=True):
        pytest.fail("met nobody")


def test_an_address_of_no_host_is_named(launched, monkeypatch):
    """torch has printed a stack of calls for each of its attempts by then."""
    launched(0)

    def fail(*_, **__):
        raise distributed.DistNetworkError("failed to connect to any network address of (host, 1)")

    monkeypatch.setattr(meeting, "rendezvous", fail)
    with pytest.raises(RunError, match=MISSING), meeting.meeting(over_gloo=True):
        pytest.fail("met nobody")


def test_those_who_have_met_wait_longer(launched, monkeypatch, tmp_path):
    launched(0)
    monkeypatch.setattr(meeting, "PATIENCE", 60)
    (tmp_path / "comes.py").write_text(COMES)
    other = Fork([tmp_path / "comes.py"], tmp_path, {"RANK": "1"}, tmp_path / "printed")
    with meeting.meeting(over_gloo=False) as group:
        store = group["store"]
        assert store.timeout.total_seconds() == 60
    assert store.timeout.total_seconds() == 1800
    assert (group["rank"], group["world_size"], "timeout" in group) == (0, 2, False)
    printed = other.communicate(timeout=60)
    assert other.returncode == 0, printed


def test_the_document_states_how_long_hosts_wait():
    text = (ROOT / "tlf" / "runtime" / "README.md").read_text(encoding="utf-8")
    assert f"start\nwithin {meeting.PATIENCE} s." in text
    assert f"| {SILENCE} s of silence; at most {SILENCE + 30} s |" in text
    assert f"| {meeting._LATER.seconds // 60} minutes (NCCL: 10) |" in text


@pytest.mark.parametrize("name", ["RANK", "MASTER_PORT"])
def test_a_launch_that_says_too_little_is_refused(launched, monkeypatch, name):
    launched(0)
    monkeypatch.delenv(name)
    expected = f"{name} must be set in each of several processes, got nothing; start them with"
    with pytest.raises(RunError, match=expected), meeting.meeting(over_gloo=True):
        pytest.fail("met nobody")


@pytest.mark.parametrize("problem", ["", "no way from 127.0.0.2"])
def test_hosts_that_do_not_reach_each_other_all_say_so(monkeypatch, problem):
    met = {}

    def unreached(address, ports):
        met[address] = [(other, port) for _, other, port in ports]
        return problem if address == "127.0.0.2" else ""

    monkeypatch.setattr(meeting, "unreached", unreached)
    store = HashStore()

    def check(rank):
        answers = meeting._Answers(store, rank, 2)
        try:
            meeting._check_reached(answers, f"127.0.0.{rank + 1}")
        except RunError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as threads:
        assert [*threads.map(check, range(2))] == [problem] * 2
    assert met["127.0.0.1"] == met["127.0.0.2"]
    assert [address for address, _ in met["127.0.0.1"]] == ["127.0.0.1", "127.0.0.2"]


def test_an_answer_of_another_tlf_is_refused():
    store = HashStore()
    store.set("tlf/started/1", "")
    expected = "the code of tlf must be the same in all processes, got another in process 1 than in"
    with pytest.raises(RunError, match=expected):
        meeting._Answers(store, 0, 2).exchanged("started", "10.0.0.1", time.monotonic() + 60)

"""What is behind each address."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import tlf
from served import name_of
from tlf.serving.models import Models


def same(found, expected):
    """JSON that is equal, apart from the rounding of probabilities."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            same(found[key], value)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-6)
    else:
        assert found == expected


def test_an_answer_has_what_tlf_predict_says_for_each_run(server, served_runs, jpegs):
    answer = server.predict(*jpegs)
    assert answer.status == 200
    assert [one["run"] for one in answer.json["models"]] == ["one", "two", "three"]
    for run, model in zip(served_runs, answer.json["models"], strict=True):
        assert model["tlf"] == tlf.__version__
        expected = [one.as_json() for one in tlf.predict(run, map(str, jpegs))]
        for found, own, path in zip(model["predictions"], expected, jpegs, strict=True):
            same(found, own | {"path": name_of(path)})


def test_whatever_the_batch_the_answer_is_the_same(server, serve, served_runs, jpegs):
    alone = [server.predict(path).json["models"] for path in jpegs]
    with ThreadPoolExecutor(8) as pool:
        together = [*pool.map(lambda path: server.predict(path).json["models"], jpegs * 4)]
    for found, expected in zip(together, alone * 4, strict=True):
        for model, own in zip(found, expected, strict=True):
            same(model["predictions"][0], own["predictions"][0])


def test_batches_of_one_have_the_bits_of_an_image_alone(serve, served_runs, jpegs):
    with serve(served_runs[2], batch=1) as client:
        (model,) = client.predict(*jpegs).json["models"]
    alone = tlf.load_classifier(served_runs[2], unlike=True)
    for found, path in zip(model["predictions"], jpegs, strict=True):
        assert found == alone.predict(path).as_json() | {"path": name_of(path)}


def test_a_body_without_a_form_is_one_image_without_a_name(server, jpegs):
    data = jpegs[0].read_bytes()
    named = server.predict(jpegs[0]).json["models"][0]["predictions"]
    for kind in ("image/jpeg", "IMAGE/PNG; q=1", "application/octet-stream"):
        answer = server.ask("POST", "/predict", data, Content_Type=kind)
        assert answer.json["models"][0]["predictions"] == [named[0] | {"path": None}]


def test_only_the_most_probable_classes(server, jpegs):
    (found,) = server.predict(jpegs[0], query="?top=1").json["models"][0]["predictions"]
    assert [*found["probabilities"]] == [found["predicted"]]
    for top in ("0", "-1", "x", "1.5", "9999999", "%E0"):
        answer = server.predict(jpegs[0], query=f"?top={top}")
        assert (answer.status, answer.json["error"]["code"]) == (400, "bad-top")


def test_the_nearest_train_images_are_named_on_request(serve, served_runs, jpegs):
    with serve(served_runs[0], nearest=2) as client:
        (found,) = client.predict(jpegs[0]).json["models"][0]["predictions"]
    (own,) = tlf.predict(served_runs[0], jpegs[0], nearest=2)
    assert found["nearest"] == own.as_json()["nearest"]
    assert len(found["nearest"]) == 2


def test_health_names_the_models(server, served_runs):
    found = server.ask("GET", "/health").json
    assert (found["status"], found["tlf"]) == ("ready", tlf.__version__)
    assert [one["run"] for one in found["models"]] == ["one", "two", "three"]
    assert {len(one["sha256"]) for one in found["models"]} == {64}


def test_other_addresses_and_methods_are_refused_in_words(server):
    for path in ("/predict/", "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page/page.html",
                 "/health%00", "/..%5c..", "//health", "/%1b[31m", "/" + "a" * 5000):  # fmt: skip
        answer = server.ask("GET", path)
        assert (answer.status, answer.json["error"]["code"]) == (404, "no-such-address"), path
        assert answer.json["error"]["message"].isprintable()
    for method, path in (("GET", "/predict"), ("PUT", "/predict"), ("POST", "/health"),
                         ("DELETE", "/"), ("TRACE", "/metrics")):  # fmt: skip
        answer = server.ask(method, path)
        assert (answer.status, answer.json["error"]["code"]) == (405, "other-method")
        assert answer.headers["Allow"]


def test_an_error_of_its_own_has_an_id_and_no_traceback(
    serve, served_runs, jpegs, monkeypatch, caplog
):
    def fail(*_):
        raise ZeroDivisionError("a secret\x1b[31m")

    with serve(served_runs[0]) as client:
        monkeypatch.setattr(type(client), "predict", type(client).predict)
        with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "tlf.serving"):
            patch.setattr("tlf.serving.server.answer", fail)
            answer = client.predict(jpegs[0])
        assert client.predict(jpegs[0]).status == 200
    error = answer.json["error"]
    assert (answer.status, error["code"]) == (500, "failed")
    assert error["id"] in error["message"]
    assert "secret" not in answer.data.decode()
    (record,) = caplog.records
    assert error["id"] in record.getMessage()
    assert "ZeroDivisionError: a secret\\x1b[31m" in record.getMessage()


@pytest.fixture
def held(monkeypatch):
    """Two events: images are being classified, and they may be."""
    begun, go = threading.Event(), threading.Event()
    classify = Models.classify

    def wait(models, images):
        if images[0].name is not None:  # that of the start has none
            begun.set()
            assert go.wait(60)
        return classify(models, images)

    monkeypatch.setattr(Models, "classify", wait)
    yield begun, go
    go.set()


def test_a_full_queue_has_its_own_status(serve, served_runs, jpegs, held):
    begun, go = held
    limits = tlf.ServingLimits(queue=1, seconds=60)
    with serve(served_runs[0], limits=limits) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.predict, jpegs[0])
        assert begun.wait(60)
        busy = client.predict(jpegs[0])
        go.set()
        assert first.result().status == 200
        assert client.predict(jpegs[0]).status == 200
    assert (busy.status, busy.json["error"]["code"], busy.headers["Retry-After"]) == (
        503, "busy", "1"
    )  # fmt: skip


def test_a_late_answer_has_its_own_status(serve, served_runs, jpegs, held):
    with serve(served_runs[0], limits=tlf.ServingLimits(seconds=1)) as client:
        late = client.predict(jpegs[0])
        held[1].set()
    assert (late.status, late.json["error"]["code"]) == (504, "no-answer-in-time")

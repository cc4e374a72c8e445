"""Figures, as Prometheus reads them."""

import pytest

from tlf.serving.metrics import Histogram, Metrics


def samples(text):
    """All samples: name and labels → value. Prometheus' own reader must accept them."""
    parser = pytest.importorskip("prometheus_client.parser")
    families = [*parser.text_string_to_metric_families(text)]
    assert all(family.documentation.endswith(".") for family in families)
    return {
        (one.name, *sorted(one.labels.items())): one.value
        for family in families
        for one in family.samples
    }, {family.name: family.type for family in families}


def test_requests_images_and_batches_are_counted(serve, served_runs, jpegs):
    with serve(served_runs[0]) as client:
        client.predict(*jpegs[:3])
        client.predict(b"no image")
        client.ask("GET", "/made/up")
        client.ask("BREW", "/health")
        answer = client.ask("GET", "/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found, types = samples(answer.data.decode())

    def requests(method, path, status):
        labels = (("method", method), ("path", path), ("status", str(status)))
        return found["tlf_serve_requests_total", *labels]

    assert requests("POST", "/predict", 200) == 1
    assert requests("POST", "/predict", 422) == 1
    assert requests("GET", "other", 404) == 1
    assert requests("other", "/health", 405) == 1
    assert found["tlf_serve_images_total",] == 3
    assert found["tlf_serve_queued_images",] == found["tlf_serve_queued_requests",] == 0
    assert found["tlf_serve_batch_images_sum",] == 3
    assert found["tlf_serve_request_seconds_count",] == 1
    assert found["tlf_serve_request_seconds_bucket", ("le", "+Inf")] == 1
    assert types["tlf_serve_request_seconds"] == "histogram"
    assert types["tlf_serve_requests"] == "counter"
    (info,) = [key for key in found if key[0] == "tlf_serve_info"]
    assert dict(info[1:])["run"] == "one"


def test_buckets_add_up():
    histogram = Histogram((1, 2, 4))
    for value in (0.5, 1, 2, 3, 100):
        histogram.add(value)
    assert [*histogram.lines("n")] == [
        'n_bucket{le="1"} 2', 'n_bucket{le="2"} 3', 'n_bucket{le="4"} 4', 'n_bucket{le="+Inf"} 5',
        "n_sum 106.5", "n_count 5",
    ]  # fmt: skip


def test_odd_names_come_back():
    name = 'a"b\\c\nd'
    assert 'run="\\\\udce9"' in Metrics().text(0, 0, [{"run": "\udce9"}])
    found, _ = samples(Metrics().text(1, 2, [{"run": name, "sha256": ""}]))
    (info,) = [key for key in found if key[0] == "tlf_serve_info"]
    assert dict(info[1:])["run"] == name
    assert (found["tlf_serve_queued_images",], found["tlf_serve_queued_requests",]) == (1, 2)

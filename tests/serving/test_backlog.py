"""Whether a batch is refused for what waits behind it, told from what Triton's metrics say."""

import sys
import threading
import time

import pytest


@pytest.fixture
def backlog_module(inside_triton):
    return inside_triton("serving.triton.backlog")


def after(happened, seconds: float = 2.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not happened():
        time.sleep(0.005)
    return happened()


def test_only_batches_of_a_long_queue_make_it_look(backlog_module):
    asked = threading.Event()
    backlog = backlog_module.Backlog("ctr", 256, 1024, waiting=lambda: asked.set() or 1000)
    assert not backlog.too_long(64, 64, 1) and not backlog.too_long(8, 512, 64)
    assert not asked.wait(0.2)
    assert not backlog.too_long(8, 1024, 128)  # full, but nobody has looked yet
    assert asked.wait(2)
    assert after(lambda: backlog.too_long(8, 1024, 128))
    assert not backlog.too_long(3, 3, 1)  # worked off
    backlog.close()


def test_a_queue_of_the_allowed_length_is_not_refused(backlog_module):
    waiting = [256]
    backlog = backlog_module.Backlog("ctr", 256, 1024, waiting=lambda: waiting[0])
    assert not after(lambda: backlog.too_long(65, 65, 1), 0.3)
    waiting[0] = 257
    assert after(lambda: backlog.too_long(65, 65, 1))
    waiting[0] = 0
    assert after(lambda: not backlog.too_long(65, 65, 1))
    backlog.close()


def test_what_cannot_be_asked_refuses_nobody(backlog_module, monkeypatch):
    monkeypatch.setenv(backlog_module.METRICS_URL, "http://127.0.0.1:9/metrics")
    backlog = backlog_module.Backlog("ctr", 1, 1024)
    assert not after(lambda: backlog.too_long(65, 65, 1), 0.3)
    assert any("how many requests wait is not known" in text for text in sys.modules["triton_python_backend_utils"].said)
    backlog.close()


def test_a_server_that_does_not_say_where_its_metrics_are_is_told_of(backlog_module, monkeypatch):
    monkeypatch.delenv(backlog_module.METRICS_URL, raising=False)
    backlog_module.Backlog("ctr", 1, 1024).close()
    assert sys.modules["triton_python_backend_utils"].said == [
        "ADCLICK_METRICS_URL is not set: requests for 'ctr' may wait without limit"
    ]


def test_waiting_requests_are_those_of_all_versions_of_the_model(backlog_module):
    metrics = "\n".join([
        "# HELP nv_inference_pending_request_count Instantaneous number of pending requests awaiting execution per-model.",
        "# TYPE nv_inference_pending_request_count gauge",
        'nv_inference_pending_request_count{model="ctr_by_name",version="1"} 7',
        'nv_inference_pending_request_count{model="ctr",version="1"} 12',
        'nv_inference_pending_request_count{model="ctr",version="2"} 3',
        'nv_inference_request_success{model="ctr",version="2"} 99',
    ])  # fmt: skip
    assert backlog_module.pending(metrics, "ctr") == 15
    assert backlog_module.pending(metrics, "creative_encoder") == 0

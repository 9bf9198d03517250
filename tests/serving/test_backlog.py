"""Whether a batch is refused for what waits behind it, told from what Triton's metrics say."""

import sys
import threading
import time

import pytest


@pytest.fixture
def backlog_module(inside_triton):
    return inside_triton("serving.triton.backlog")


def after(happened, seconds: float = 2.0) -> bool:
    """Whether it happens within the time; asked until it does, and not again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happened():
            return True
        time.sleep(0.005)
    return False


CONFIG = {"name": "ctr", "max_batch_size": 1024, "instance_group": [{"count": 2}]}
MANY, FULL = [1] * 65, [128] * 8


def test_only_batches_of_a_long_queue_make_it_look(backlog_module):
    asked = threading.Event()
    backlog = backlog_module.Backlog(CONFIG, 256, waiting=lambda: asked.set() or 1000)
    assert not backlog.too_long([]) and not backlog.too_long([1] * 64) and not backlog.too_long([64] * 8)
    assert not asked.wait(0.2)
    assert not backlog.too_long(FULL)  # full, but nobody has looked yet
    assert asked.wait(2)
    assert after(lambda: backlog.too_long(FULL))
    assert not backlog.too_long([1, 1, 1])  # worked off
    backlog.close()


def test_a_queue_of_the_allowed_length_is_not_refused(backlog_module):
    waiting = [256]
    backlog = backlog_module.Backlog(CONFIG, 256, waiting=lambda: waiting[0])
    assert not after(lambda: backlog.too_long(MANY), 0.3)
    waiting[0] = 257
    assert after(lambda: backlog.too_long(MANY))
    waiting[0] = 0
    assert after(lambda: not backlog.too_long(MANY))
    backlog.close()


def test_no_more_are_refused_than_were_too_many(backlog_module):
    looked = threading.Event()
    backlog = backlog_module.Backlog(CONFIG, 256, waiting=lambda: 0 if looked.is_set() else looked.set() or 256 + 260)
    assert after(lambda: backlog.too_long(MANY))  # 130 are this process' share of 260
    assert [backlog.too_long(MANY) for _ in range(5)] == [False, True, False, False, False]
    backlog.close()


def test_of_two_batches_one_is_answered_however_many_wait(backlog_module):
    backlog = backlog_module.Backlog(CONFIG, 256, waiting=lambda: 100_000)
    assert after(lambda: backlog.too_long(MANY))
    assert [backlog.too_long(MANY) for _ in range(4)] == [False, True, False, True]
    assert not backlog.too_long([1])  # worked off, so the next flood begins anew
    assert after(lambda: backlog.too_long(MANY))
    backlog.close()


def test_what_cannot_be_asked_refuses_nobody(backlog_module, monkeypatch):
    monkeypatch.setenv(backlog_module.METRICS_URL, "http://127.0.0.1:9/metrics")
    backlog = backlog_module.Backlog(CONFIG, 1)
    assert not after(lambda: backlog.too_long(MANY), 0.3)
    assert any("how many requests wait is not known" in text for text in sys.modules["triton_python_backend_utils"].said)
    backlog.close()


def test_a_server_that_does_not_say_where_its_metrics_are_is_told_of(backlog_module, monkeypatch):
    monkeypatch.delenv(backlog_module.METRICS_URL, raising=False)
    backlog_module.Backlog(CONFIG, 1).close()
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

"""When the Python models refuse a batch for what waits behind it, and where they know that from."""

import gc
import sys
import weakref

import pytest


@pytest.fixture
def backlog_module(inside_triton):
    return inside_triton("serving.triton.backlog")


@pytest.fixture
def queue(backlog_module):
    """A queue in the test's own time: set `waiting` and `now`, look at `backlog`."""

    class Queue:
        waiting, now, looks = 0.0, 100.0, 0

        def __init__(self) -> None:
            self.backlog = backlog_module.Backlog("ctr", "3", 256, waiting=self.look, clock=lambda: self.now)

        def look(self) -> float:
            self.looks += 1
            return self.waiting

        def too_long(self, after_s: float, waiting: float) -> bool:
            self.now += after_s
            self.waiting = waiting
            return self.backlog.too_long()

    return Queue()


def test_a_queue_of_the_allowed_length_is_not_refused(queue):
    assert [queue.too_long(0.01, waiting) for waiting in (0, 256, 257, 1000, 256, 257)] == [False, False, True, True, False, True]


def test_a_short_queue_is_not_looked_at_before_every_batch(queue):
    assert not any(queue.too_long(0.002, 10) for _ in range(31))
    assert queue.looks == 16
    assert [queue.too_long(0.002, 300) for _ in range(3)] == [False, True, True]


def test_while_batches_are_refused_each_looks_anew(queue):
    assert queue.too_long(0.01, 300)
    assert [queue.too_long(0.0001, waiting) for waiting in (299, 257, 256, 300)] == [True, True, False, False]


def test_it_refuses_no_longer_than_it_answered(queue):
    refused = [queue.too_long(1 / 64, 1000) for _ in range(1000)]
    first = refused.index(False)
    assert first == 64  # a second, of a model that had nothing to do before
    assert refused[first:] == [False, True] * 468


def test_what_cannot_be_read_refuses_nobody_and_is_told_once(backlog_module):
    triton = sys.modules["triton_python_backend_utils"]

    def fail() -> float:
        raise triton.TritonModelException("no room in shared memory")

    moments = iter(range(10))
    backlog = backlog_module.Backlog("ctr", "3", 256, waiting=fail, clock=lambda: float(next(moments)))
    assert not any(backlog.too_long() for _ in range(3))
    assert triton.said == ["how many requests wait is not known, so none is refused for it: no room in shared memory"]


def test_how_many_wait_is_read_from_tritons_own_gauge_which_is_never_deleted(backlog_module, monkeypatch):
    triton, made = sys.modules["triton_python_backend_utils"], []

    class Metric:
        def value(self) -> float:
            return 257.0

    class MetricFamily:
        GAUGE = "gauge"

        def __init__(self, **described) -> None:
            made.append(described | {"family": weakref.ref(self)})

        def Metric(self, labels):
            metric = Metric()
            made.append({"labels": labels, "metric": weakref.ref(metric)})
            return metric

    monkeypatch.setattr(triton, "MetricFamily", MetricFamily, raising=False)
    backlog = backlog_module.Backlog("ctr_careful", "12", 256)
    assert backlog.too_long()
    assert (made[0]["name"], made[0]["kind"]) == ("nv_inference_pending_request_count", "gauge")
    assert made[1]["labels"] == {"model": "ctr_careful", "version": "12"}
    del backlog
    gc.collect()
    assert made[0]["family"]() is not None and made[1]["metric"]() is not None

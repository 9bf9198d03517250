"""The spike's schedule and recovery by hand, and its sender against servers that refuse, stall, break off and lie."""

import asyncio
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from loadtests.limits.settings import SpikeConfig
from loadtests.limits.spike import Spiked, arrivals, refusals_ms
from loadtests.limits.spike_sender import SpikeSender
from loadtests.perf_analyzer.settings import load_perf_settings
from loadtests.verdicts.samples import OUTCOMES, SAMPLE, count
from serving.server.ports import free_ports


def test_the_schedule_has_the_spike_in_the_middle():
    config = load_perf_settings("spike", SpikeConfig, ["before_s=10", "spike_s=20", "after_s=5", "normal_share=0.5"])
    due = arrivals(config, 100, np.random.default_rng(0))
    assert [int(np.sum((due >= a) & (due < b))) for a, b in ((0, 10), (10, 30), (30, 35))] == [500, 10_000, 250]
    assert np.all(np.diff(due) >= 0)


def spiked(bad_until_s, latency_ms=10.0, slow_ms=100.0, outcome="ok"):
    """10 s before, 5 s of spike, 10 s after: slow or of another outcome until `bad_until_s` after the spike's end."""
    due = np.arange(25_000) / 1000
    samples = np.zeros(len(due), dtype=SAMPLE)
    bad = (due >= 10) & (due < 15 + bad_until_s)
    samples["intended_s"] = samples["sent_s"] = due
    samples["done_s"] = due + np.where(bad, slow_ms, latency_ms) / 1e3
    samples["outcome"][bad] = OUTCOMES.index(outcome)
    return Spiked(samples=samples, began_s=10, ended_s=15)


@pytest.mark.parametrize(("bad_until_s", "recovered_s"), [(0, 0), (0.2, 0.5), (1.5, 1.5), (1.6, 2.0), (11, None)])
def test_it_has_recovered_when_latency_is_back(bad_until_s, recovered_s):
    assert spiked(bad_until_s).recovered_s() == recovered_s


def test_it_has_not_recovered_while_requests_are_refused():
    assert spiked(1.5, slow_ms=1.0, outcome="overloaded").recovered_s() == 1.5


def test_twice_the_latency_of_before_is_allowed():
    assert spiked(5, slow_ms=19.0).recovered_s() == 0


def test_one_good_moment_is_no_recovery():
    found = spiked(0)
    after = found.samples["intended_s"]
    found.samples["done_s"][(after >= 15.5) & (after < 17)] += 1
    assert found.recovered_s() == 2.0


def test_refusals_count_from_the_send():
    found = spiked(0, slow_ms=30.0, outcome="overloaded").samples
    found["sent_s"][10_000:15_000] += 0.010
    assert refusals_ms(found) == pytest.approx(np.full(5000, 20.0))


@contextmanager
def fake_server(reply):
    """HTTP on a free port; `reply(number)` gives status and body of a request, or seconds to wait, or None to break off."""
    (port,) = free_ports(1)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    numbers = iter(range(10**9))

    async def serve(reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                answer = reply(next(numbers))
                if answer is None:
                    writer.close()
                    return
                if isinstance(answer, float):
                    await asyncio.sleep(answer)
                    answer = (200, b"late")
                status, body = answer
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode())
                await writer.drain()
                writer.write(body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    async def run():
        server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
        ready.set()
        async with server:
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)


def sent(reply, due_s, check=lambda place, body, length: True, connections=20, timeout_s=2.0):
    with fake_server(reply) as port:
        sender = SpikeSender(
            host="127.0.0.1",
            port=port,
            bodies=[(b"first", 0), (b"second", 0)],
            rows=3,
            connections=connections,
            timeout_s=timeout_s,
        )
        return sender.run(np.asarray(due_s), check)


def outcomes(samples):
    return {name: number for name, number in count(samples).items() if number}


@pytest.mark.alone
def test_each_request_is_sent_when_it_is_due():
    samples = sent(lambda number: (200, b"fine"), np.linspace(0, 0.5, 200))
    assert outcomes(samples) == {"ok": 200}
    assert np.diff(samples["intended_s"]) == pytest.approx(0.5 / 199)
    assert np.min(samples["sent_s"] - samples["intended_s"]) >= 0
    assert np.median(samples["sent_s"] - samples["intended_s"]) < 0.02
    assert np.all(samples["rows"] == 3)


def test_refusals_failures_and_wrong_answers_are_told_apart():
    replies = [(200, b"good"), (503, b"{}"), (500, b"{}"), (200, b"bad")]
    samples = sent(lambda number: replies[number % 4], np.linspace(0, 1.2, 100), lambda place, body, length: body == b"good")
    assert outcomes(samples) == {"ok": 25, "wrong": 25, "overloaded": 25, "failed": 25}


def test_answers_are_checked_against_the_body_that_was_sent():
    places = []
    sent(lambda number: (200, b""), np.linspace(0, 0.1, 10), lambda place, body, length: places.append(place) or True)
    assert sorted(places) == [0] * 5 + [1] * 5


def test_what_is_due_while_all_connections_are_busy_is_not_sent_late():
    samples = sent(lambda number: 0.3, np.zeros(50), connections=20)
    assert outcomes(samples) == {"ok": 20, "unsent": 30}
    assert np.all(np.isnan(samples["sent_s"][samples["outcome"] == OUTCOMES.index("unsent")]))


def test_a_request_without_answer_fails_after_its_time_and_its_connection_is_replaced():
    samples = sent(lambda number: 30.0 if number < 5 else (200, b""), np.linspace(0, 1, 100), connections=5, timeout_s=0.3)
    numbers = outcomes(samples)
    assert numbers["failed"] == 5
    failed = samples[samples["outcome"] == OUTCOMES.index("failed")]
    assert np.all((failed["done_s"] - failed["sent_s"] >= 0.3) & (failed["done_s"] - failed["sent_s"] < 0.8))
    assert numbers["ok"] > 40


@pytest.mark.alone
def test_a_connection_that_breaks_off_is_a_failure_and_is_replaced():
    samples = sent(lambda number: None if number % 2 else (200, b""), np.linspace(0, 0.5, 60), connections=3)
    numbers = outcomes(samples)
    assert numbers["failed"] == pytest.approx(30, abs=3)
    assert numbers["ok"] == pytest.approx(30, abs=3)


def test_a_server_that_is_not_there_is_one_sentence():
    (port,) = free_ports(1)
    sender = SpikeSender(host="127.0.0.1", port=port, bodies=[(b"x", 0)], rows=1, connections=2, timeout_s=1)
    with pytest.raises(ValueError, match=f"only 0 of 2 connections to 127.0.0.1:{port} could be made"):
        sender.run(np.zeros(1), lambda place, body, length: True)

"""perf_analyzer: its export read right, latency from when requests were due, its errors as sentences, and a real run."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from contracts.dataset.columns import Column
from loadtests.perf_analyzer.analyzer import PerfAnalyzer, installed, schedule_us
from loadtests.perf_analyzer.export import due, read_export
from loadtests.perf_analyzer.input import first_row, requests_of, without_missing
from loadtests.perf_analyzer.process import NeverBegan, QueueFull, RequestFailed, finish
from loadtests.perf_analyzer.target import analyzers, target_of
from loadtests.requests.traffic import read_traffic
from loadtests.verdicts.samples import count, latencies_ms
from tests.serving.served_world import REPOSITORY, serving

MS = 1_000_000
ANSWERS = {("ab", (1.5, 2.0)): np.array([0.25, 0.75]), ("ü", (0.5, 3.0)): np.array([0.1, 0.2])}


def exported_request(sent_ms, done_ms, text="ab", numbers=(1.5, 2.0), answer=(0.25, 0.75)):
    return {
        "timestamp": 10**18 + sent_ms * MS,
        "request_inputs": {"categorical": text, "numeric": list(numbers)},
        "response_timestamps": [] if done_ms is None else [10**18 + done_ms * MS],
        "response_outputs": [{"probability": list(answer), "model_version": 1}],
    }


@pytest.fixture
def export(tmp_path):
    def write(*requests):
        path = tmp_path / "export.json"
        path.write_text(json.dumps({"experiments": [{"requests": requests}]}, ensure_ascii=False), encoding="utf-8")
        return path

    return write


def read(path, offsets_ms=None):
    offsets = None if offsets_ms is None else np.array(offsets_ms) * MS
    return read_export(path, kind="grpc", rows=2, answers=ANSWERS, tolerance=1e-6, offsets_ns=offsets)


def test_latency_counts_from_when_a_request_was_due(export):
    # due at 0, 10, 20, 30 ms after the start at 100; the third was held up for 7 ms and drew the fourth along by 2
    path = export(*(exported_request(sent, sent + 4) for sent in (100, 110, 127, 132)))
    samples = read(path, [0, 10, 20, 30])
    assert latencies_ms(samples, "ok") == pytest.approx([4, 4, 11, 6], abs=1e-3)
    assert (samples["sent_s"] - samples["intended_s"]) * 1e3 == pytest.approx([0, 0, 7, 2], abs=1e-3)


def test_a_late_first_request_does_not_move_the_schedule(export):
    path = export(*(exported_request(sent, sent + 1) for sent in (105, 110, 120)))
    assert latencies_ms(read(path, [0, 10, 20]), "ok") == pytest.approx([6, 1, 1], abs=1e-3)


def test_without_a_schedule_latency_counts_from_the_send(export):
    assert latencies_ms(read(export(exported_request(100, 107))), "ok") == pytest.approx([7], abs=1e-3)


def test_requests_are_read_in_the_order_in_which_they_were_sent(export):
    samples = read(export(exported_request(120, 121), exported_request(100, 109)), [0, 20])
    assert latencies_ms(samples, "ok") == pytest.approx([9, 1], abs=1e-3)


def test_moments_are_those_of_the_monotonic_clock(export):
    now = (time.time_ns() - 10**18) // MS
    sample = read(export(exported_request(now - 50, now)))[0]
    assert sample["done_s"] == pytest.approx(time.monotonic(), abs=0.5)


def test_each_answer_is_held_against_that_of_its_own_request(export):
    right, swapped = exported_request(1, 2, "ü", (0.5, 3.0), (0.1, 0.2)), exported_request(2, 3, "ü", (0.5, 3.0))
    stranger, short = exported_request(3, 4, "nobody sent this"), exported_request(4, 5, answer=(0.25,))
    lost, close = exported_request(5, None), exported_request(6, 7, answer=(0.25, 0.7500005))
    numbers = count(read(export(right, swapped, stranger, short, lost, close)))
    assert {name: number for name, number in numbers.items() if number} == {"ok": 2, "wrong": 3, "unknown": 1}


@pytest.mark.parametrize(("content", "message"), [("", "not finite"), ('{"experiments": [{"requests": []}]}', "no request")])
def test_an_export_without_requests_is_an_error(tmp_path, content, message):
    path = tmp_path / "export.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read(path)


def test_the_most_punctual_request_fixes_the_schedule():
    assert due(np.array([13, 21, 36]), np.array([0, 10, 20])).tolist() == [11, 21, 31]


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_a_schedule_keeps_its_rate_to_the_end(arrivals):
    gaps = schedule_us(3000, 4.0, np.random.default_rng(0), arrivals)
    assert len(gaps) == 12_000
    assert gaps.sum() == pytest.approx(4e6, rel=1e-2)
    assert gaps.std() == pytest.approx({"constant": 0.5, "poisson": 333}[arrivals], rel=0.1)


def test_missing_numbers_become_numbers_of_their_column():
    nan = np.nan
    columns = tuple(Column(name=name, role="numeric", dtype="float", nullable=True, min=3) for name in ("some", "none"))
    filled = without_missing(np.array([[nan, nan], [5, nan], [6, nan], [nan, nan]], dtype=np.float32), columns)
    assert filled.tolist() == [[5, 3], [5, 3], [6, 3], [6, 3]]


def test_the_first_row_is_named_as_the_export_packs_it():
    tensors = {"categorical": np.array([["a", "bc"], ["x", "y"]], dtype=object), "numeric": np.float32([[0.5], [1]])}
    assert first_row(tensors) == ("a\x02\0\0\0bc", (0.5,))


def said(tmp_path, script, timeout_s=5.0, **begin):
    return finish(["bash", "-c", script], tmp_path / "said", {"PATH": "/usr/bin:/bin"}, timeout_s, **begin)


def test_a_full_queue_is_told_from_other_failures(tmp_path):
    with pytest.raises(QueueFull, match="^the server refused a request: overloaded: too many requests are waiting$"):
        said(tmp_path, "echo 'Thread [0] had error: [request id: 183] overloaded: too many requests are waiting'; exit 99")
    with pytest.raises(ValueError, match="ended with code 3: No valid requests recorded"):
        said(tmp_path, "echo settings; echo 'No valid requests recorded within time interval.'; exit 3")


def test_a_generator_that_hangs_is_killed(tmp_path):
    started = time.monotonic()
    with pytest.raises(ValueError, match="did not end within 0 s and was killed: still here"):
        said(tmp_path, "echo still here; sleep 60", timeout_s=0.3)
    with pytest.raises(RequestFailed, match="a request was not answered"):
        said(tmp_path, "echo 'Failed to retrieve results from inference request.'; sleep 60", timeout_s=60)
    assert time.monotonic() - started < 10


def test_a_generator_that_never_begins_is_killed_soon(tmp_path):
    with pytest.raises(NeverBegan, match="sent nothing within 0 s and was killed: still here"):
        said(tmp_path, "echo still here; sleep 60", begin_s=0.2, began=lambda: False)
    asked = []
    assert said(tmp_path, "sleep 0.6", begin_s=0.1, began=lambda: asked.append(1) is None)[1] >= 0.6
    assert asked == [1]


def test_what_the_generator_used_is_its_own(tmp_path):
    cpu_s, wall_s = said(tmp_path, "for ((i = 0; i < 100000; i++)); do :; done; sleep 0.3")
    assert 0.01 < cpu_s < wall_s - 0.2


def test_a_missing_program_says_how_to_install_it(tmp_path):
    with pytest.raises(ValueError, match="perf-analyzer`, which installs it"):
        installed(tmp_path / "perf_analyzer")


@pytest.fixture(scope="module")
def triton(exported, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("perf_served"), exported / REPOSITORY) as running:
        yield running


@pytest.fixture(scope="module")
def traffic(exported):
    return read_traffic(200, exported)


@pytest.mark.triton
@pytest.mark.perf_analyzer
@pytest.mark.alone
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_every_row_that_is_sent_is_answered_as_it_should_be(triton, traffic, protocol):
    analyzer = analyzers(target_of(triton), requests_of(traffic, 4, 20), (protocol,), 1e-6)[protocol]
    for load in (analyzer.closed(2, 0.7, 0.2), analyzer.open(100, 0.7, 0.2, np.random.default_rng(0))):
        numbers = count(load.samples)
        assert numbers["ok"] == len(load.samples) > 40
        assert np.all(load.samples["rows"] == 4)
        assert 0 < load.cpu_s < load.wall_s * 2


@pytest.mark.triton
@pytest.mark.perf_analyzer
@pytest.mark.alone
@pytest.mark.parametrize("world", ["numbers", "strings"])
def test_a_model_without_one_kind_of_columns_is_sent_the_other_alone(exported_as, tmp_path, world):
    requests = requests_of(read_traffic(200, exported_as(world)), 4, 20)
    assert {*requests.tensors[0]} == {"numeric" if world == "numbers" else "categorical"}
    with serving(tmp_path, exported_as(world) / REPOSITORY) as running:
        load = analyzers(target_of(running), requests, ("grpc",), 1e-6)["grpc"].closed(1, 0.7, 0.2)
    assert count(load.samples)["ok"] == len(load.samples) > 20


@pytest.mark.triton
@pytest.mark.perf_analyzer
@pytest.mark.alone
def test_a_rate_is_kept_and_lateness_is_told(triton, traffic):
    analyzer = analyzers(target_of(triton), requests_of(traffic, 1, 50), ("grpc",), 1e-6)["grpc"]
    load = analyzer.open(200, 1.0, 0.2, np.random.default_rng(0), "constant")
    assert len(load.samples) == pytest.approx(200, abs=2)
    assert np.diff(load.samples["intended_s"]) == pytest.approx(1 / 200, abs=1e-5)
    assert np.min(load.late_ms) >= -1e-3


HANGS_ONCE = """#!/bin/bash
[ -e {begun} ] && exec {program} "$@"
touch {begun}; exec sleep 60
"""


@pytest.mark.triton
@pytest.mark.perf_analyzer
@pytest.mark.alone
def test_a_generator_that_never_began_is_started_again(triton, traffic, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("loadtests.perf_analyzer.analyzer.GRACE_S", 2.0)
    good = analyzers(target_of(triton), requests_of(traffic, 1, 10), ("http",), 1e-6)["http"]
    (tmp_path / "lib").symlink_to(good.folder.resolve() / "lib")
    wrapper = tmp_path / "perf_analyzer"
    wrapper.write_text(HANGS_ONCE.format(begun=tmp_path / "begun", program=good.folder.resolve() / "perf_analyzer"))
    wrapper.chmod(0o755)
    samples = replace(good, folder=tmp_path).open(50, 0.7, 0.2, np.random.default_rng(0)).samples
    assert count(samples)["ok"] == len(samples) > 10
    assert "sent nothing within 2 s and was killed: it said nothing; it is started again" in capsys.readouterr().err


@pytest.mark.triton
@pytest.mark.perf_analyzer
@pytest.mark.alone
def test_wrong_answers_are_seen(triton, traffic):
    good = analyzers(target_of(triton), requests_of(traffic, 1, 10), ("grpc",), 1e-6)["grpc"]
    off = {key: answer + (place == 3) * 1e-3 for place, (key, answer) in enumerate(good.answers.items())}
    bad = PerfAnalyzer(target=good.target, protocol="grpc", requests=good.requests, answers=off, tolerance=1e-6)
    numbers = count(bad.closed(1, 0.7, 0.1).samples)
    assert numbers["wrong"] == pytest.approx((numbers["ok"] + numbers["wrong"]) / len(off), abs=1)


@pytest.mark.triton
@pytest.mark.perf_analyzer
@pytest.mark.alone
def test_a_server_that_is_not_there_is_one_sentence(triton, traffic):
    good = analyzers(target_of(triton), requests_of(traffic, 1, 10), ("http",), 1e-6)["http"]
    gone = type(good.target)(grpc="127.0.0.1:9", http="127.0.0.1:9", secret="none")
    with pytest.raises(ValueError, match="perf_analyzer ended with code"):
        PerfAnalyzer(target=gone, protocol="http", requests=good.requests, answers={}, tolerance=1e-6).closed(1, 0.3, 0)

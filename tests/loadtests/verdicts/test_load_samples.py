"""Samples are kept exact, also those of a process that was killed."""

import json
import time

import numpy as np
import pytest

from loadtests.verdicts.samples import OUTCOMES, ROW, Recorder, Window, gather, latencies_ms, read_samples, within, write_summary


def record(recorder: Recorder, due_s: float, outcome: str = "ok", reason: str = "", **changes) -> None:
    values = {"intended_s": due_s, "sent_s": due_s + 0.001, "done_s": due_s + 0.004, "rows": 8, "kind": 1, "malformed": False}
    recorder.add(**values | changes, outcome=outcome, reason=reason)


def test_what_several_processes_recorded_is_put_together_in_order_of_time(tmp_path):
    for index, moments in enumerate(([3.0, 1.0], [2.0])):
        recorder = Recorder(tmp_path, f"samples-{index}")
        for moment in moments:
            record(recorder, moment, "failed", reason="no room", malformed=True)
        recorder.versions[7] += 1
        recorder.close()
    found = gather(tmp_path)
    assert found.samples["intended_s"].tolist() == [1.0, 2.0, 3.0]
    assert found.samples[0].tolist() == (1.0, 1.001, 1.004, 8, 1, OUTCOMES.index("failed"), True)
    assert (found.reasons, found.versions) == ({"no room": 3}, {7: 2})
    assert found.first_s <= found.last_s <= time.monotonic()
    assert len(np.load(tmp_path / "samples-0.npy")) == 2 and not [*tmp_path.glob("*.part")]


def test_a_row_that_a_kill_cut_short_is_left_out(tmp_path):
    recorder = Recorder(tmp_path, "samples-0")
    record(recorder, 1.0)
    record(recorder, 2.0)
    recorder.flush()
    path = tmp_path / "samples-0.part"
    path.write_bytes(path.read_bytes()[: ROW.size + 5])
    assert gather(tmp_path).samples["intended_s"].tolist() == [1.0]


def test_what_was_recorded_half_a_second_ago_is_in_the_file(tmp_path):
    recorder = Recorder(tmp_path, "samples-0")
    now_s = time.monotonic()
    record(recorder, now_s)
    assert (tmp_path / "samples-0.part").stat().st_size == 0
    record(recorder, now_s + 0.6)
    assert (tmp_path / "samples-0.part").stat().st_size == 2 * ROW.size
    recorder.restart()
    assert (tmp_path / "samples-0.part").stat().st_size == 0
    assert json.loads((tmp_path / "samples-0.json").read_text())["started_s"] >= now_s


def test_a_run_that_recorded_nothing_has_no_samples(tmp_path):
    found = gather(tmp_path)
    assert len(found.samples) == 0 and found.first_s == pytest.approx(time.monotonic(), abs=5)


def test_only_the_measured_window_is_read_and_latency_counts_from_when_a_request_was_due(tmp_path):
    recorder = Recorder(tmp_path, "samples-0")
    for moment in (0.9, 1.0, 1.9, 2.0):
        record(recorder, moment)
    recorder.close()
    window = Window(start_s=1.0, end_s=2.0)
    assert within(gather(tmp_path).samples, window)["intended_s"].tolist() == [1.0, 1.9]
    write_summary(tmp_path, window, {})
    samples = read_samples(tmp_path)
    assert samples["intended_s"].tolist() == [1.0, 1.9]
    assert latencies_ms(samples, "ok") == pytest.approx([4.0, 4.0]) and len(latencies_ms(samples, "failed")) == 0

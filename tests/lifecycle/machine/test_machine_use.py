"""This machine's use: means over a span, limits, disks, GPUs, processes, the history, the training budget."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from lifecycle.monitor.findings import MonitorReport, report_from
from lifecycle.monitor.machine import usage
from lifecycle.monitor.machine.area import look
from lifecycle.monitor.machine.gpus import GpuUse, gpus_here, gpus_of
from lifecycle.monitor.machine.load import load_findings, load_trends
from lifecycle.monitor.machine.processes import processes_table
from lifecycle.monitor.machine.training import training_findings
from lifecycle.monitor.machine.usage import MachineUse, keep, read_history, use_now
from tests.alerts.alert_world import START_NS, config
from tests.lifecycle.machine.machine_world import context, finding

LIMITS = config().machine
NOW = MachineUse(
    at_s=10_000.0, clock_ns=START_NS, boot_s=0.0, cpu_busy_s=500.0, cpu_all_s=2000.0, memory=0.5, disks={"journal, monitor": 0.4},
    sent_bytes=3000, received_bytes=9000,
)  # fmt: skip
BEFORE = replace(
    NOW, at_s=9700.0, clock_ns=START_NS - 300 * 10**9, cpu_busy_s=40.0, cpu_all_s=1500.0, sent_bytes=0, received_bytes=0
)


def verdicts(now: MachineUse, *history: MachineUse) -> dict[str, str]:
    return {f"{one.subject}/{one.kind}": one.verdict for one in load_findings(history, now, LIMITS, START_NS)}


def test_processors_are_a_mean_over_the_span():
    (cpu,) = [one for one in load_findings([BEFORE], NOW, LIMITS, START_NS) if one.subject == "cpu"]
    assert (cpu.verdict, cpu.effect) == ("warning", pytest.approx(460 / 500))
    assert cpu.sentence == "92% of the processors were busy over 300 s"
    calm = replace(BEFORE, cpu_busy_s=60.0)
    assert verdicts(NOW, calm)["cpu/use"] == "ok"


@pytest.mark.parametrize(
    "earlier",
    [
        replace(BEFORE, at_s=9399.0),
        replace(BEFORE, boot_s=9000.0),
        replace(BEFORE, cpu_all_s=2000.0),
        replace(BEFORE, at_s=10_001.0),
    ],
)
def test_processors_are_not_judged_by_another_start_or_a_look_too_long_ago(earlier):
    assert "cpu/use" not in verdicts(NOW, earlier)


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.84, "ok"), (0.85, "warning"), (0.92, "warning"), (0.93, "page"), (1.0, "page")]
)
def test_a_disk_that_fills_is_a_warning_and_then_a_page(share, verdict):
    assert verdicts(replace(NOW, disks={"journal": share}))["disk of journal/use"] == verdict


def test_memory_and_gpus_have_limits():
    hot = replace(NOW, memory=0.96, gpus=(GpuUse(index=1, busy=0.9, memory=0.97, celsius=88.0),))
    assert verdicts(hot) == {
        "memory/use": "page", "disk of journal, monitor/use": "ok", "gpu 1/use": "warning", "gpu 1/temperature": "warning",
    }  # fmt: skip
    silent = replace(NOW, gpus=(GpuUse(index=0, busy=None, memory=None, celsius=None),))
    assert not any(name.startswith("gpu") for name in verdicts(silent))


def test_nvidia_smi_is_read_with_what_it_does_not_say():
    text = "0, 37, 1024, 4096, 61\n1, [N/A], [Not Supported], 4096, N/A\nFailed to initialize NVML\n\n"
    assert gpus_of(text) == (
        GpuUse(index=0, busy=0.37, memory=0.25, celsius=61.0),
        GpuUse(index=1, busy=None, memory=None, celsius=None),
    )


@pytest.mark.parametrize(("script", "number"), [("echo '0, 5, 10, 100, 50'", 1), ("echo no driver >&2; exit 9", 0)])
def test_nvidia_smi_that_fails_is_no_gpu(tmp_path, monkeypatch, script, number):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert len(gpus_here()) == number


def test_what_is_used_now_is_what_the_system_says(tmp_path):
    use = use_now({"here": tmp_path, "absent": tmp_path / "a/b/c"}, 7)
    assert use.disks == {"here, absent": pytest.approx(psutil.disk_usage(str(tmp_path)).percent / 100, abs=0.01)}
    assert use.memory == pytest.approx(psutil.virtual_memory().percent / 100, abs=0.3)
    assert 0 < use.cpu_busy_s < use.cpu_all_s and use.clock_ns == 7


def test_the_history_keeps_the_newest_and_survives_broken_lines(tmp_path):
    looks = [replace(NOW, at_s=float(place), gpus=(GpuUse(index=0, busy=0.1, memory=0.2, celsius=3.0),)) for place in range(5)]
    keep(tmp_path, looks, 3)
    with (tmp_path / usage.HISTORY).open("a") as history:
        history.write('{"at_s": 1\n[]\nnull\n{"gpus": []}\n')
    assert read_history(tmp_path) == looks[2:]


def test_trends_are_means_between_looks_and_leave_out_what_began_anew():
    trends = {
        trend.subject: [point.value for point in trend.points] for trend in load_trends([BEFORE, NOW, replace(NOW, sent_bytes=0)])
    }
    assert trends["network"] == [pytest.approx(40.0), None]
    assert trends["cpu"] == [pytest.approx(0.92), None] and trends["memory"] == [0.5, 0.5, 0.5]


def test_a_pipeline_that_runs_here_is_a_row():
    code = "import time; x = bytearray(30_000_000); print(flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code, "-m", "stages.train"], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        (row,) = [row for row in processes_table().rows if row[0] == "pipeline"]
        assert row[1] >= 1 and row[2] >= 28
    finally:
        process.kill()
        process.wait()


def test_the_area_is_a_report_that_json_gives_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = look(context(tmp_path)), look(context(tmp_path, START_NS + 10**9))
    assert any("processors: judged from the second look" in note for note in first.notes)
    assert finding(second, "cpu", "use").evidence["limit"] == LIMITS.cpu and len(read_history(tmp_path / "monitor")) == 2
    assert any("there is no reports/train_timing.json" in note for note in second.notes)
    whole = MonitorReport(at_ns=START_NS, dataset="x", serving=[], areas=[second])
    again = report_from(json.loads(json.dumps(whole.as_dict())))
    assert [one.key for one in again.findings] == [one.key for one in whole.findings]


@pytest.mark.parametrize(
    ("took_s", "memory_mib", "expected"),
    [(1800, 8000, ("ok", "ok")), (3600, 8000, ("warning", "ok")), (1, 20_000, ("ok", "warning"))],
)
def test_a_training_beyond_its_budget_is_told(tmp_path, took_s, memory_mib, expected):
    path = tmp_path / "train_timing.json"
    path.write_text(json.dumps({"train_s": took_s, "peak_memory_mib": memory_mib, "weights": "ab"}))
    found = training_findings(LIMITS, START_NS, path)
    assert tuple(one.verdict for one in found) == expected and found[0].effect == took_s / 3600
    assert found[0].sentence == f"the last training took {took_s:,} s of 3,600 s (monitor.machine.train_s)"


@pytest.mark.parametrize("content", ["", "[]", '{"train_s": "long"}'])
def test_a_timing_that_cannot_be_read_is_said(tmp_path, content):
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(ValueError, match="t.json cannot be read; `make repro` writes it anew"):
        training_findings(LIMITS, START_NS, tmp_path / "t.json")

"""`make gpu-check`: runs with few packages, goes on where a measurement fails, and its file becomes rows of the table."""

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from bench.figures import Figure
from bench.gpu.record import Record
from bench.gpu.rows import measured
from bench.gpu.shipped import shipped
from bench.parts import Unprepared, run_parts
from stages.files import read_json, write_json
from stages.models.config import ModelConfig, TrainConfig, TrainerConfig
from tests.project.imports import ROOT

FEW_PACKAGES = Path(__file__).with_name("few_packages")
DEADLINE_S = 300


def check(folder: Path, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "bench.gpu", "--output", str(folder / "found.json"), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, Any]:
    """The file of a small run on the CPU in which only the packages of a bare GPU machine can be imported."""
    folder = tmp_path_factory.mktemp("gpu_check")
    done = check(folder, "--device", "cpu", environment=os.environ | {"PYTHONPATH": str(FEW_PACKAGES), "HOME": str(folder)})
    assert done.returncode == 0, done.stderr
    assert "gpu-check: 17 measurements, 0 failed" in done.stdout
    return read_json(folder / "found.json")


@pytest.mark.slow
def test_everything_is_measured_with_the_packages_of_a_bare_machine(found):
    assert [one for one in found["measurements"] if "value" not in one] == []
    speeds = [one for one in found["measurements"] if one["kind"] == "speed"]
    assert {(one["precision"], one["batch_size"]) for one in speeds} == {
        (precision, batch) for precision in ("bf16-mixed", "32-true") for batch in (128, 64)
    }
    assert all(one["value"]["train_rows_per_s"] > 0 and one["value"]["bare_rows_per_s"] > 0 for one in speeds)
    (tests,) = [one["value"]["summary"] for one in found["measurements"] if one["kind"] == "tests"]
    assert " passed" in tests and "failed" not in tests
    (ranker,) = [one["value"] for one in found["measurements"] if one["kind"] == "ranker"]
    assert ranker["largest_difference"] < 1e-5
    assert found["machine"]["versions"].startswith("torch 2") and found["gpu"] is None


def test_a_machine_without_a_gpu_is_told_so_in_a_sentence(tmp_path):
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(FEW_PACKAGES)}
    done = check(tmp_path, environment=hidden)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "finds no NVIDIA GPU here; run this on a machine with one" in done.stderr
    assert not (tmp_path / "found.json").exists()


def test_what_fails_and_what_does_not_fit_is_written_down_and_the_rest_goes_on(tmp_path):
    def broken() -> dict[str, Any]:
        raise RuntimeError("CUDA error:\n out of memory")

    record = Record(tmp_path / "found.json", 100, {"accelerator": "gpu"})
    assert record.take("one", 1, broken, kind="speed") is None
    assert record.take("two", 101, lambda: {"rate": 1}, kind="speed") is None
    assert read_json(record.path)["measurements"][1]["skipped"].startswith("needs some 101 s, and 1")
    assert record.take("three", 1, lambda: {"rate": 3}, kind="speed") == {"rate": 3}
    written = read_json(record.path)["measurements"]
    assert [one.get("error") for one in written] == ["RuntimeError: CUDA error: out of memory", None, None]
    assert [one.get("value") for one in written] == [None, None, {"rate": 3}]


def speed(train: int, bare: int, batch_size: int = 65_536, on_device: bool = True) -> dict[str, Any]:
    value = {"train_rows_per_s": train, "bare_rows_per_s": bare, "busy_share": 0.75}
    about = {"precision": "bf16-mixed", "batch_size": batch_size, "on_device": on_device}
    return {"kind": "speed", "name": "speed", "seconds": 20.0, "value": value} | about


def quality(accelerator: str, precision: str, seed: int, log_loss: float) -> dict[str, Any]:
    about = {"accelerator": accelerator, "precision": precision, "seed": seed, "value": {"val_log_loss": log_loss}}
    return {"kind": "quality", "name": "quality", "seconds": 3.0} | about


def written(path: Path, *measurements: dict[str, Any], **changes: Any) -> Path:
    machine = {"processor": "Some CPU, 16 cores", "memory": "128 GiB", "system": "Linux", "versions": "torch 2.11.0"}
    head = {"format": 1, "accelerator": "gpu", "gpu": "Some GPU, 140 GiB, CUDA 13.0", "machine": machine, "date": "2026-01-02"}
    write_json(path, head | {"measurements": list(measurements)} | changes)
    return path


def row(rows: list[Figure], start: str) -> Figure:
    (found,) = [one for one in rows if one.what.startswith(start)]
    return found


def test_a_file_becomes_rows_with_the_bar_on_large_batches_only(tmp_path):
    pairs = [speed(9_000_000, 10_000_000), speed(9_500_000, 10_000_000), speed(8_000_000, 10_000_000)]
    others = [speed(2_000_000, 4_000_000, batch_size=16_384), speed(4_000_000, 10_000_000, on_device=False)]
    rows = measured(written(tmp_path / "found.json", *pairs, *others)).rows
    against = "training rows/s on the GPU against tensors on it, bf16-mixed, batches of"
    assert len([one for one in rows if one.bar]) == 1
    shown = {one.what.removeprefix(f"{against} "): (one.figure, one.bar, one.met) for one in rows if against in one.what}
    assert shown["65,536"] == ("0.900x (0.800 to 0.950 in 3 pairs)", ">= 0.9", True)
    assert shown["16,384"] == ("0.500x (0.500 to 0.500 in 1 pairs)", "", None)
    assert shown["65,536, cut on the CPU and copied"][0].startswith("0.400x")
    rate = row(rows, "training on the GPU, dcnv2 with creatives, bf16-mixed, batches of 16,384").figure
    assert rate == "2,000,000 rows/s; the bare loop 4,000,000 rows/s; GPU busy 75% of the time"
    assert "740,000 rows/s" in row(rows, "published by others").figure


def test_a_gpu_that_learns_worse_misses_its_bar(tmp_path):
    losses = [quality("cpu", "32-true", 0, 0.2), quality("cpu", "32-true", 1, 0.2005)]
    losses += [quality("gpu", "bf16-mixed", 0, 0.2021), quality("gpu", "32-true", 0, 0.1999)]
    rows = measured(written(tmp_path / "found.json", *losses)).rows
    start = "val log-loss of weights trained on the GPU"
    assert row(rows, f"{start}, bf16-mixed").met is False and row(rows, f"{start}, 32-true").met is True
    assert row(rows, f"{start}, bf16-mixed").figure == "+0.00210 of 0.20000; another seed on the CPU +0.00050"


def test_rows_carry_the_machine_and_the_day_they_were_measured_on_and_what_failed(tmp_path):
    failed = {"kind": "ranker", "name": "ranker alone", "seconds": 1.0, "error": "ImportError: no onnx"}
    late = {"kind": "tests", "name": "tests marked gpu", "seconds": 0.0, "skipped": "needs some 60 s"}
    path = written(tmp_path / "found.json", speed(9, 10), failed, late)
    table = tmp_path / "benchmarks.json", tmp_path / "benchmarks.md"
    part = {"gpu_check": (lambda: measured(path), "make gpu-check")}
    assert run_parts(part, ["gpu_check"], *table, ["gpu_check"]) == 1
    text = table[1].read_text()
    assert "1. Some GPU, 140 GiB, CUDA 13.0; Some CPU, 16 cores, 128 GiB memory; Linux; torch 2.11.0" in text
    assert "| 1, 2026-01-02 |" in text and "failed: ranker alone: ImportError: no onnx" in text
    assert "left out of the GPU check, for want of time | tests marked gpu |" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (None, "is missing; run `make gpu-check` on a machine with an NVIDIA GPU"),
        ({"accelerator": "cpu", "gpu": None}, "was measured on a CPU"),
        ({"format": 0}, "must have format 1, got 0"),
    ],
)
def test_a_file_that_says_nothing_of_a_gpu_is_refused(tmp_path, changes, message):
    path = tmp_path / "found.json"
    if changes is not None:
        written(path, **changes)
    with pytest.raises(Unprepared, match=message):
        measured(path)


@pytest.mark.parametrize(
    ("group", "name", "config"),
    [("model", "dcnv2", ModelConfig), ("train", "default", TrainConfig), ("trainer", "gpu", TrainerConfig)],
)
def test_settings_are_those_that_the_pipeline_takes(group, name, config):
    changes = {"seed": 0} if group == "train" else {}
    values = yaml.safe_load((ROOT / f"conf/{group}/{name}.yaml").read_text()) | changes
    assert asdict(shipped(group, name, **changes)) == asdict(TypeAdapter(config).validate_python(values))


def test_a_setting_that_is_not_shipped_is_refused():
    with pytest.raises(ValueError, match=r"conf/trainer/gpu.yaml has no key 'device'; it has accelerator, "):
        shipped("trainer", "gpu", device="cuda")


def test_other_packages_are_really_hidden_there():
    environment = os.environ | {"PYTHONPATH": str(FEW_PACKAGES)}
    for name, code in (("torch", 0), ("pydantic", 1), ("polars", 1)):
        done = subprocess.run(
            [sys.executable, "-c", f"import importlib.util; exit(importlib.util.find_spec('{name}') is None)"],
            env=environment,
            check=False,
        )
        assert done.returncode == code, name

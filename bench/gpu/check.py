"""What the check measures, in which order: first what the bar is about, so that a run that is cut has it."""

import math
import platform
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import torch

from bench.gpu.made_up import made_up_data
from bench.gpu.marked_tests import run_tests
from bench.gpu.ranker import ranker_rates
from bench.gpu.record import Record
from bench.gpu.speed import pair
from bench.gpu.training import Setting, trained
from bench.table import machine
from stages.models.training import EncodedData

PACKAGES = ("torch", "pytorch-lightning", "numpy", "scipy", "onnxruntime")
PRECISIONS = ("bf16-mixed", "32-true")
PAIRS = 3  # of the first setting, which the bar is about; of the others two
VAL_SHARE = 24  # training rows for one of validation
QUALITY_EPOCHS = 3
TEST_LIMIT_S = 120.0
NEEDS_S = {"arrays": 5.0, "speed": 40.0, "quality": 30.0, "tests": 60.0, "ranker": 20.0}  # before any has been measured


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured: `rows` of training by `users` for speed, as many for quality, `seconds` for every rate."""

    rows: int
    users: int
    creatives: int  # of both
    image_size: int  # pixels a side
    quality_rows: int
    quality_users: int
    seconds: float
    probe_steps: int  # of the bare loop, which say how many fill the time
    batch_sizes: tuple[int, ...]  # the first is the one with the bar
    quality_batch_size: int
    ranker_batch_sizes: tuple[int, ...]
    num_threads: int | None = None  # None: as shipped, and on a CPU all cores


SIZES = {
    "gpu": Sizes(
        rows=12_000_000,
        users=500_000,
        creatives=1_500,
        image_size=32,
        quality_rows=200_000,
        quality_users=10_000,
        seconds=5.0,
        probe_steps=20,
        batch_sizes=(65_536, 16_384),
        quality_batch_size=1024,
        ranker_batch_sizes=(4_096, 65_536),
    ),
    "cpu": Sizes(  # to see that all of it runs: no rate of it means anything, and few CPUs are quick in bfloat16
        rows=640,
        users=200,
        creatives=40,
        image_size=8,
        quality_rows=400,
        quality_users=100,
        seconds=0.05,
        probe_steps=2,
        batch_sizes=(128, 64),
        quality_batch_size=64,
        ranker_batch_sizes=(64,),
        num_threads=1,
    ),
}


def facts(accelerator: str, sizes: Sizes) -> dict[str, Any]:
    """Where, when and what: the head of the file."""
    gpu = None
    if accelerator == "gpu":
        properties = torch.cuda.get_device_properties(0)
        gpu = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
    return {
        "accelerator": accelerator,
        "gpu": gpu,
        "machine": machine(PACKAGES),
        "node": platform.machine(),
        "date": datetime.now(UTC).date().isoformat(),
        "sizes": vars(sizes),
    }


def check(record: Record, accelerator: str, sizes: Sizes) -> None:
    """Measure all of it into `record`, as far as its time goes."""
    made: list[EncodedData] = []

    def arrays() -> dict[str, Any]:
        made.append(made_up(sizes, sizes.rows, sizes.rows // VAL_SHARE, sizes.users, seed=0))
        data = made[0]
        return {"rows": len(data.train), "val_rows": len(data.val), "click_rate": round(float(data.train.label_N.mean()), 4)}

    if record.take("arrays", needs("arrays", record), arrays, kind="arrays") is None:
        return
    data = made[0]
    first = Setting(
        accelerator=accelerator, precision=PRECISIONS[0], batch_size=sizes.batch_sizes[0], num_threads=sizes.num_threads
    )
    for _ in range(PAIRS):
        take_pair(record, data, first, sizes)
    take_qualities(record, first, sizes)
    limit_s = min(TEST_LIMIT_S, max(record.left_s, 1.0))
    record.take("tests marked gpu", needs("tests", record), lambda: run_tests(accelerator == "gpu", limit_s), kind="tests")
    others = [replace(first, precision=p, batch_size=b) for p in PRECISIONS for b in sizes.batch_sizes]
    for setting in [one for one in others if one != first] * 2:
        take_pair(record, data, setting, sizes)
    take_pair(record, data, replace(first, on_device=False), sizes)
    record.take(
        "ranker alone",
        needs("ranker", record),
        lambda: ranker_rates(data, first.device, sizes.ranker_batch_sizes, min(sizes.seconds, 2.0)),
        kind="ranker",
    )


def made_up(sizes: Sizes, num_train: int, num_val: int, num_users: int, seed: int) -> EncodedData:
    shape = {"num_users": num_users, "num_creatives": sizes.creatives, "image_size": sizes.image_size}
    return made_up_data(num_train, max(num_val, 1), **shape, seed=seed)


def take_pair(record: Record, data: EncodedData, setting: Setting, sizes: Sizes) -> None:
    where = "" if setting.on_device else ", cut on the CPU"
    record.take(
        f"training, {setting.precision}, batches of {setting.batch_size:,}{where}",
        needs("speed", record),
        lambda: pair(data, setting, sizes.seconds, sizes.probe_steps),
        kind="speed",
        precision=setting.precision,
        batch_size=setting.batch_size,
        on_device=setting.on_device,
    )


def take_qualities(record: Record, first: Setting, sizes: Sizes) -> None:
    """The same data and epochs on the CPU with two seeds, which say what chance does, and on the device in both precisions."""
    data = made_up(sizes, sizes.quality_rows, sizes.quality_rows // 4, sizes.quality_users, seed=1)
    on_cpu = replace(first, accelerator="cpu", precision="32-true", batch_size=sizes.quality_batch_size, on_device=False)
    settings = [on_cpu, replace(on_cpu, seed=1)]
    settings += [replace(first, precision=precision, batch_size=sizes.quality_batch_size) for precision in PRECISIONS]
    for setting in settings:
        record.take(
            f"quality, {setting.accelerator}, {setting.precision}, seed {setting.seed}",
            needs("quality", record),
            lambda setting=setting: quality(data, setting),
            kind="quality",
            accelerator=setting.accelerator,
            precision=setting.precision,
            seed=setting.seed,
        )


def quality(data: EncodedData, setting: Setting) -> dict[str, Any]:
    fitted = trained(data, setting, QUALITY_EPOCHS)
    return {
        "val_log_loss": round(fitted.best.log_loss, 5),
        "val_auc": round(fitted.best.auc, 5) if math.isfinite(fitted.best.auc) else None,
        "train_rows_per_s": round(fitted.rows_per_s),
    }


def needs(kind: str, record: Record) -> float:
    """Seconds that a measurement takes: as long as the longest of its kind so far, or a guess."""
    took = [one["seconds"] for one in record.content["measurements"] if one["kind"] == kind and "skipped" not in one]
    return max(took, default=NEEDS_S[kind])

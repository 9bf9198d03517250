"""Rows a second of a whole training, callbacks and checkpoints included, against the bare loop on tensors of the same device."""

import gc
from contextlib import nullcontext
from typing import Any

import torch

from bench.gpu.shipped import shipped
from bench.gpu.training import Setting, trained
from bench.training.bare_loop import WARM_UP_STEPS, BareLoop
from bench.training.gpu_use import utilisation_is_told, watched
from stages.models.batches import TrainBatches
from stages.models.matmul_precision import MatmulPrecision, set_matmul_precision
from stages.models.network import build_network
from stages.models.torch_setup import prepare_torch
from stages.models.training import EncodedData, Trained, channels_last

LEAST_EPOCHS = 2


def pair(data: EncodedData, setting: Setting, seconds: float, probe_steps: int) -> dict[str, Any]:
    """One bare loop of `seconds` and one training of about as many rows, in rows/s each; with the share of the time in which the
    GPU was busy in the training (None where that cannot be told) and the most memory that torch held of it.
    """
    bare, num_steps = bare_rows_per_s(data, setting, seconds, probe_steps)
    epochs = max(LEAST_EPOCHS, round(num_steps * setting.batch_size / len(data.train)))
    busy: list[float] = []
    fitted, peak_mib = watched_training(data, setting, epochs, busy)
    return {
        "train_rows_per_s": round(fitted.rows_per_s),
        "bare_rows_per_s": round(bare),
        "busy_share": round(busy[0], 3) if busy else None,
        "peak_gpu_mib": peak_mib,
        "train_s": round(fitted.train_s, 2),
        "num_steps": fitted.num_steps,
        "val_log_loss": round(fitted.best.log_loss, 5),
    }


def watched_training(data: EncodedData, setting: Setting, max_epochs: int, busy: list[float]) -> tuple[Trained, int | None]:
    """The training, and the most memory of the GPU in MiB; the share of the time in which the GPU was busy goes to `busy`."""
    if setting.accelerator != "gpu":
        return trained(data, setting, max_epochs), None
    gc.collect()  # a training that is over holds its arrays in a circle of references
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    with watched(busy) if utilisation_is_told() else nullcontext():
        fitted = trained(data, setting, max_epochs)
    return fitted, torch.cuda.max_memory_allocated() >> 20


def bare_rows_per_s(data: EncodedData, setting: Setting, seconds: float, probe_steps: int) -> tuple[float, int]:
    """Rows a second of the bare loop over about `seconds`, and of how many steps; `probe_steps` say how many that are."""
    train, trainer = setting.train(LEAST_EPOCHS), setting.trainer()
    prepare_torch(train, trainer)
    source = TrainBatches(
        data.train,
        num_creatives=data.spec.num_creatives,
        batch_size=setting.batch_size,
        seed=setting.seed,
        rank=0,
        num_ranks=1,
        num_steps_done=lambda: 0,
    )
    network, images = build_network(shipped("model", setting.network), data.spec), channels_last(data.image_NCSS)
    with MatmulPrecision(trainer.matmul_precision).kept():
        set_matmul_precision(trainer.matmul_precision)
        loop = BareLoop(network, source, images, train, setting.device, bf16=setting.precision == "bf16-mixed")
        probed = loop.rows_per_s(probe_steps)
        num_steps = max(round(seconds * probed / setting.batch_size), WARM_UP_STEPS)
        return loop.rows_per_s(num_steps), num_steps

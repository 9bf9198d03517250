"""Trains one network on encoded arrays: puts module, data and callbacks together in a Lightning trainer."""

import math
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import Tensor

from stages.models.averaging import AveragedWeights
from stages.models.batches import steps_per_epoch
from stages.models.checkpoint_io import SafetensorsCheckpointIO
from stages.models.ctr_datamodule import CtrDataModule
from stages.models.ctr_module import CtrModule
from stages.models.curves import CurveWriter
from stages.models.encoded_arrays import EncodedSpec, EncodedSplit
from stages.models.epoch_rows import EpochRows, epoch_rows
from stages.models.id_hiding import hiding_shares
from stages.models.matmul_precision import MatmulPrecision
from stages.models.network import CtrNetwork, build_network
from stages.models.progress import ProgressLines, Stopwatch, TrainBar
from stages.models.resume import Best, BestWeights, CheckpointWriter, newest_checkpoint
from stages.models.torch_setup import check_devices, prepare_torch, silence_lightning
from stages.models.unprofiled import Unprofiled

if TYPE_CHECKING:
    from stages.models.config import ModelConfig, TrainConfig, TrainerConfig


@dataclass(frozen=True, kw_only=True)
class EncodedData:
    """All that training reads."""

    spec: EncodedSpec
    train: EncodedSplit
    val: EncodedSplit
    image_NCSS: np.ndarray | None  # uint8, row 0 no image


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished training."""

    network: CtrNetwork  # with the last step's own weights
    best: Best
    best_weights_path: Path
    num_steps: int
    batch_size: int  # rows a step, over all devices together
    rows_per_s: float  # of this process's part of the training
    train_s: float
    num_rows: int
    is_main_process: bool  # False in all but one of the processes of a distributed training


def train_network(
    data: EncodedData,
    model: "ModelConfig",
    train: "TrainConfig",
    trainer: "TrainerConfig",
    *,
    work_folder: Path,
    logger: Logger,
    log_path: Path | None = None,
    initial: dict[str, Tensor] | None = None,
) -> Trained:
    """Train, or go on with the training that `work_folder` holds a checkpoint of, until done.

    `initial` are weights to start from, instead of the network's own random ones. Curves go to `logger`, checkpoints and the best
    weights to `work_folder`, what a person may follow to `log_path`.
    Raises ValueError if there are not as many GPUs as asked for, if a loss is no finite number any more, or if the disk takes
    no checkpoint.
    """
    check_devices(trainer)
    prepare_torch(train, trainer)
    silence_lightning()
    precision = MatmulPrecision(trainer.matmul_precision)
    network = build_network(model, data.spec)
    network.start_at(*data.train.clicks_and_rows)
    if initial is not None:
        network.load_state_dict(initial)
    if network.creative_encoder is None:
        data = without_creatives(data)
    rows = epoch_rows(data.train, train.keep_negatives, train.seed)
    batch_size = sampled_batch_size(fitting_batch_size(train, rows.num_all, trainer.devices), rows, trainer.devices)
    datamodule = CtrDataModule(
        data.train,
        data.val,
        num_creatives=data.spec.num_creatives,
        batch_size=batch_size,
        rows=rows,
        prefetch_batches=trainer.prefetch_batches,
        pin_memory=trainer.accelerator == "gpu",
        device_memory_frac=trainer.device_memory_frac,
    )
    num_steps = train.max_epochs * steps_per_epoch(len(rows), batch_size, trainer.devices)
    hiding_V = hiding_shares(data.train, data.spec, train.unknown_prior_clicks)
    module = CtrModule(
        network, train, channels_last(data.image_NCSS), num_steps, hiding_V, rows, mean_weight=data.train.mean_weight
    )

    curves, best, stopwatch = CurveWriter(train.log_every_steps), BestWeights(work_folder), Stopwatch()
    early_stopping = EarlyStopping(
        "val/log_loss",
        patience=train.patience_epochs,
        min_delta=train.min_delta,
        check_on_train_epoch_end=False,  # right after validation, so that the checkpoint of the epoch knows its verdict
    )
    writer = CheckpointWriter(work_folder, train.checkpoint_every_steps, best, early_stopping)
    averaged = [AveragedWeights(train.average_frac)] if train.average_frac else []
    can_draw = sys.stderr.isatty()
    found = newest_checkpoint(work_folder)
    lines = ProgressLines(curves, log_path, resumed=found is not None, on_stderr=not can_draw)
    shown = [lines, *([TrainBar(curves)] if can_draw else [])]
    lightning_trainer = Trainer(
        accelerator=trainer.accelerator,
        devices=trainer.devices,
        strategy=trainer.strategy,
        precision=trainer.precision,
        deterministic=trainer.deterministic,
        max_epochs=train.max_epochs,
        logger=logger,
        callbacks=[stopwatch, precision, curves, early_stopping, best, *averaged, *shown, writer],
        plugins=[SafetensorsCheckpointIO()],
        profiler=Unprofiled(),
        default_root_dir=work_folder,
        log_every_n_steps=1,  # only the module's own callback logs steps; a larger number makes Lightning warn about short epochs
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=can_draw,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    if found and lightning_trainer.is_global_zero:
        print(f"train: resuming at step {found[1]} of at most {num_steps}", file=sys.stderr)
    with precision.kept(), _all_end_together(lightning_trainer):
        lightning_trainer.fit(module, datamodule=datamodule, ckpt_path=str(found[0]) if found else None)
    return Trained(
        network=network,
        best=best.best,
        best_weights_path=work_folder / best.best.file_name,
        num_steps=lightning_trainer.global_step,
        batch_size=batch_size,
        rows_per_s=stopwatch.rows_per_s,
        train_s=stopwatch.train_s,
        num_rows=stopwatch.num_rows,
        is_main_process=lightning_trainer.is_global_zero,
    )


@contextmanager
def _all_end_together(trainer: Trainer) -> Iterator[None]:
    """Where this process fails, the others that it started end as well: they would wait for it, for half an hour.

    SIGTERM is a failure: Lightning ends by a SystemExit without a code, which is 0, as if there were a model.
    """
    try:
        yield
    except BaseException as error:
        if trainer.strategy.launcher is not None:
            trainer.strategy.launcher.kill(signal.SIGKILL)  # one that waits inside a collective would not hear SIGTERM
        if isinstance(error, SIGTERMException):
            raise SystemExit(128 + signal.SIGTERM) from error
        raise


def fitting_batch_size(train: "TrainConfig", num_rows: int, num_devices: int) -> int:
    """`train.batch_size`, or the power of two below it with which an epoch of all `num_rows` has `min_steps_per_epoch` steps."""
    largest = num_rows // train.min_steps_per_epoch
    if train.batch_size <= largest:
        return train.batch_size
    return min(train.batch_size, max(1 << max(largest.bit_length() - 1, 0), num_devices))


def sampled_batch_size(batch_size: int, rows: EpochRows, num_devices: int) -> int:
    """`batch_size` for all rows; where an epoch takes a share of them, the power of two nearest to it times that share's root.

    As many rows a step as without would be so few steps that the network learns less, as many steps would be none the faster.
    """
    if len(rows) == rows.num_all:
        return batch_size
    nearest = 1 << max(round(math.log2(batch_size * math.sqrt(len(rows) / rows.num_all))), 0)
    return min(batch_size, max(nearest, num_devices))


def without_creatives(data: EncodedData) -> EncodedData:
    """`data` for a network that does not look at creatives: its batches need no list of theirs."""
    train, val = (replace(split, creative_idx_N=None) for split in (data.train, data.val))
    return replace(data, train=train, val=val, image_NCSS=None)


def channels_last(image_NCSS: np.ndarray | None) -> Tensor | None:
    """The same images and shape, with the channels of a pixel side by side: convolutions on a CPU are faster on these."""
    if image_NCSS is None:
        return None
    return torch.from_numpy(np.ascontiguousarray(image_NCSS.transpose(0, 2, 3, 1))).permute(0, 3, 1, 2)

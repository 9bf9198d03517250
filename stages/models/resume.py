"""What lets a killed training go on: checkpoints in a work folder whose name is a digest of all that training depends on.

A folder under another digest belongs to another training and is removed; the folder goes when training has succeeded.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytorch_lightning
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping

from stages.files import sha256_file
from stages.models.ctr_module import CtrModule
from stages.models.weights_file import write_weights

CHECKPOINT, BEST = "step=*", "best-step=*.safetensors"


def run_key(sections: dict[str, Any], paths: Iterable[Path]) -> str:
    """Digest of the config `sections`, of the content of `paths` (inputs and code), and of torch's and Lightning's versions."""
    versions = {"torch": torch.__version__, "lightning": pytorch_lightning.__version__}
    digest = hashlib.sha256(json.dumps([sections, versions], sort_keys=True).encode())
    for path in sorted(paths):
        digest.update(f"{path.name}\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()[:32]


def hold_alone(path: Path) -> IO[str]:
    """A file held by this process until it ends; keep what is returned. Raises ValueError if another process holds it.

    A training whose `dvc repro` was killed lives on: a second one must not take its checkpoints.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    held = path.open("a+")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held.seek(0)
        pid = held.read().strip()
        held.close()
        raise ValueError(f"another training is running here (process {pid}); wait for it or end it, then run again") from error
    held.truncate(0)
    held.write(f"{os.getpid()}\n")
    held.flush()
    return held


def remove_stale_runs(parent: Path, key: str) -> None:
    """Remove what trainings of another key left in `parent`."""
    for folder in parent.glob("*"):
        if folder.name != key:
            shutil.rmtree(folder, ignore_errors=True)


def newest_checkpoint(folder: Path) -> tuple[Path, int] | None:
    """The checkpoint of the latest step in `folder` and that step; None if there is none."""
    found = [(int(path.name.removeprefix("step=")), path) for path in folder.glob(CHECKPOINT)]
    return (max(found)[1], max(found)[0]) if found else None


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best validation result so far and the file that holds its weights."""

    log_loss: float
    auc: float
    epoch: int  # from 1
    file_name: str


class BestWeights(Callback):
    """Keeps the weights of the epoch with the lowest val/log_loss in `folder`; the earlier epoch wins a tie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.best: Best | None = None

    def on_validation_end(self, trainer: Trainer, module: CtrModule) -> None:
        metrics = module.val_metrics
        if self.best is not None and metrics["val/log_loss"] >= self.best.log_loss:
            return
        name = BEST.replace("*", str(trainer.global_step))
        epoch = trainer.current_epoch + 1
        self.best = Best(log_loss=metrics["val/log_loss"], auc=metrics["val/auc"], epoch=epoch, file_name=name)
        if trainer.is_global_zero:
            weights = {key: tensor.detach().cpu() for key, tensor in module.network.state_dict().items()}
            write_weights(self.folder / name, weights)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.best is None else dict(vars(self.best))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = Best(**state_dict) if state_dict else None


class CheckpointWriter(Callback):
    """Writes a checkpoint into `folder` every `every_steps` steps and after each epoch, then removes the one before.

    Must come last among the callbacks, so that what the others did at a step is in the checkpoint of that step.
    """

    def __init__(self, folder: Path, every_steps: int, best: BestWeights, early_stopping: EarlyStopping) -> None:
        self.folder, self.every_steps = folder, every_steps
        self.best, self.early_stopping = best, early_stopping

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        # Lightning 2.6 keeps the patience used up, but not that it asked to stop, in a checkpoint
        if self.early_stopping.wait_count >= self.early_stopping.patience:
            trainer.should_stop = True

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        is_last_of_epoch = batch_idx + 1 == trainer.num_training_batches  # saved after validation instead
        if trainer.global_step % self.every_steps == 0 and not is_last_of_epoch:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        path = self.folder / CHECKPOINT.replace("*", f"{trainer.global_step:010d}")
        # the first process says for all: the others would find what it has just written, and not wait where it waits for them
        if trainer.strategy.broadcast(path.exists()):
            return  # written by the run that was killed, and read by this one
        try:
            trainer.save_checkpoint(path)
        except OSError as error:
            kept = newest_checkpoint(self.folder)
            goes_on = f"goes on at step {kept[1]}" if kept else "starts afresh"
            raise ValueError(
                f"the checkpoint of step {trainer.global_step} could not be written to {self.folder} ({error}); "
                f"free some space and run again: training {goes_on}"
            ) from error
        if trainer.is_global_zero:
            self._remove_older(path)

    def _remove_older(self, current: Path) -> None:
        best_name = self.best.best.file_name if self.best.best else None
        for path in self.folder.iterdir():
            if path.match(CHECKPOINT) and path != current:
                shutil.rmtree(path)
            elif path.match(BEST) and path.name != best_name:
                path.unlink()

"""One training by the code of stage `train`, with settings that the project ships and no file left behind."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.loggers import Logger

from bench.gpu.shipped import shipped
from stages.models.training import EncodedData, Trained, train_network


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How is trained; everything else is as shipped."""

    accelerator: str  # gpu or cpu
    precision: str  # 32-true or bf16-mixed
    batch_size: int
    on_device: bool = True  # whether the arrays are kept on the device where they fit
    network: str = "dcnv2"
    seed: int = 0
    deterministic: bool = False
    checkpoint_every_steps: int = 500
    num_threads: int | None = None  # None: as shipped, and on a CPU all cores

    @property
    def device(self) -> torch.device:
        return torch.device("cuda", 0) if self.accelerator == "gpu" else torch.device("cpu")

    def trainer(self) -> Any:
        """Section `trainer`, of trainer=gpu also where a CPU stands in for the GPU."""
        as_shipped = shipped("trainer", "gpu")
        num_threads = as_shipped.num_threads if self.accelerator == "gpu" else len(os.sched_getaffinity(0))
        return shipped(
            "trainer",
            "gpu",
            accelerator=self.accelerator,
            precision=self.precision,
            deterministic=self.deterministic,
            num_threads=self.num_threads or num_threads,
            device_memory_frac=as_shipped.device_memory_frac if self.on_device else 0,
        )

    def train(self, max_epochs: int) -> Any:
        """Section `train`, with `max_epochs` that all happen."""
        return shipped(
            "train",
            "default",
            seed=self.seed,
            batch_size=self.batch_size,
            min_steps_per_epoch=1,
            max_epochs=max_epochs,
            patience_epochs=max_epochs,
            checkpoint_every_steps=self.checkpoint_every_steps,
        )


class CurveInMemory(Logger):
    """A logger that keeps the training curve: (step, values)."""

    def __init__(self) -> None:
        super().__init__()
        self.points: list[tuple[int, dict[str, float]]] = []

    @property
    def name(self) -> str:
        return "curve"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """There are none."""

    def log_metrics(self, metrics: dict[str, float], step: int, sync: bool) -> None:
        self.points.append((step, metrics))


def trained(data: EncodedData, setting: Setting, max_epochs: int) -> Trained:
    """A training from fresh weights; its files are gone when this returns."""
    with tempfile.TemporaryDirectory(prefix="adclick-gpu-check-") as folder:
        return trained_in(Path(folder), data, setting, max_epochs, CurveInMemory())


def trained_in(folder: Path, data: EncodedData, setting: Setting, max_epochs: int, logger: CurveInMemory) -> Trained:
    """A training, or the rest of the one that `folder` holds a checkpoint of."""
    return train_network(
        data,
        shipped("model", setting.network),
        setting.train(max_epochs),
        setting.trainer(),
        work_folder=folder,
        logger=logger,
    )

"""How exactly float32 matrix products are computed while a network trains; what is measured with it stays exact."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer


class MatmulPrecision(Callback):
    """Training steps run with `precision`, validation with "highest", so that its figures are those of the exact network."""

    def __init__(self, precision: str) -> None:
        self.precision = precision

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int) -> None:
        torch.set_float32_matmul_precision(self.precision)

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        torch.set_float32_matmul_precision("highest")

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Sets the process's precision back to what it was: later stages in the same process must not inherit it."""
        before = torch.get_float32_matmul_precision()
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)

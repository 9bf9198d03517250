"""How exactly float32 products are computed while a network trains; what is measured with it stays exact."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer


class MatmulPrecision(Callback):
    """Training steps run with `precision`, validation with "highest", so that its figures are those of the exact network.

    Convolutions of a GPU follow: cuDNN has a switch of its own, which otherwise lets it round to TF32 always.
    """

    def __init__(self, precision: str) -> None:
        self.precision = precision

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int) -> None:
        set_matmul_precision(self.precision)

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        set_matmul_precision("highest")

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Sets the process's precision back to what it was: later stages in the same process must not inherit it."""
        before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before[0])
            torch.backends.cudnn.allow_tf32 = before[1]


def set_matmul_precision(precision: str) -> None:
    """Set how this process computes float32 products and convolutions, as `trainer.matmul_precision` says it."""
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = precision != "highest"

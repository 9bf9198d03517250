"""Weights as a file: safetensors, whole or not at all."""

from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from stages.files import atomic_path


def write_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """`weights` at `path`, whole or not at all; equal weights give equal bytes."""
    with atomic_path(path) as partial:
        partial.write_bytes(save({name: weights[name].contiguous() for name in sorted(weights)}))

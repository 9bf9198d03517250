"""Lightning checkpoints without pickles: one folder with the tensors (safetensors) and the rest as a tree (JSON).

The folder appears under its name only when all of it is on the disk, so a kill at any time leaves no half checkpoint.
"""

import json
import os
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

from pytorch_lightning.plugins.io import CheckpointIO
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

TENSORS, TREE = "tensors.safetensors", "tree.json"


class SafetensorsCheckpointIO(CheckpointIO):
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write `checkpoint` as folder `path`. Raises OSError, and leaves nothing behind, if the disk does not take it."""
        path = Path(path)
        partial = path.with_name(f".{path.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)  # left by a killed run
        partial.mkdir(parents=True)
        try:
            _write(partial, checkpoint)
            os.rename(partial, path)
            _sync(path.parent)
        except SafetensorError as error:
            raise OSError(f"cannot write {path / TENSORS}: {error}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def load_checkpoint(self, path: str | Path, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """The checkpoint in folder `path`, tensors on the CPU. Raises ValueError if it cannot be read."""
        path = Path(path)
        try:
            return decode_tree(json.loads((path / TREE).read_text()), load_file(path / TENSORS))
        except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(f"checkpoint {path} cannot be read ({error}); remove that folder and run again") from error

    def remove_checkpoint(self, path: str | Path) -> None:
        shutil.rmtree(path, ignore_errors=True)


def _write(folder: Path, checkpoint: dict[str, Any]) -> None:
    tensors: dict[str, Tensor] = {}
    tree = encode_tree(checkpoint, tensors)
    save_file(tensors, folder / TENSORS)
    (folder / TREE).write_text(json.dumps(tree))
    for path in (folder / TENSORS, folder / TREE, folder):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def encode_tree(node: Any, tensors: dict[str, Tensor]) -> Any:
    """`node` as plain JSON values; its tensors go into `tensors`, a numbered name stands in their place.

    Raises TypeError for anything that is neither a container, a number, a string, None nor a tensor.
    """
    if node is None or isinstance(node, bool | int | float | str):
        return node  # json writes floats so that they read back exactly, NaN and infinity included
    if isinstance(node, Tensor):
        name = f"{len(tensors):06d}"
        tensors[name] = node.detach().cpu().contiguous().clone()  # clone: safetensors refuses shared memory
        return {"tensor": name}
    if isinstance(node, OrderedDict):
        return {"ordered": [[encode_tree(k, tensors), encode_tree(v, tensors)] for k, v in node.items()]}
    if isinstance(node, dict):
        return {"dict": [[encode_tree(k, tensors), encode_tree(v, tensors)] for k, v in node.items()]}
    if type(node) in (list, tuple):
        return {type(node).__name__: [encode_tree(item, tensors) for item in node]}
    raise TypeError(f"a checkpoint can hold containers, numbers, strings and tensors, got {type(node).__name__}")


def decode_tree(node: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of `encode_tree`."""
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind in ("dict", "ordered"):
        pairs = ((decode_tree(k, tensors), decode_tree(v, tensors)) for k, v in content)
        return OrderedDict(pairs) if kind == "ordered" else dict(pairs)
    items = (decode_tree(item, tensors) for item in content)
    return tuple(items) if kind == "tuple" else list(items)

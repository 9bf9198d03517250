"""Which row of the champion's embedding table each id of a new encoder starts as: that of the same value.

Shape letters: V ids of all fields, in the order of the fused table.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from stages.models.encoded_arrays import EncodedSpec

UNKNOWN, FIRST_VALUE = 0, 2  # ids 0 and 1 mean unknown and missing in every field


@dataclass(frozen=True, kw_only=True)
class FieldRows:
    """What became of one field's values."""

    name: str
    kept: int  # values that the champion has a row for
    new: int  # that start as its unknown
    gone: int  # of the champion, that have no id any more


def known_values(encoder: Path) -> dict[str, tuple[str, ...]]:
    """The strings that `encoder` has ids for, by column, the one with the lowest id first, and names of its buckets behind them.

    A bucket's name says which it is of how many, and behind which salt, so that equal names are of the same values.
    """
    found = {}
    graph = onnx.load(encoder).graph
    constants = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    for node in graph.node:
        if node.op_type == "LabelEncoder" and node.output[0] == f"/{node.input[0]}/id":
            given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
            ids = {key.decode(): number for key, number in zip(given["keys_strings"], given["values_int64s"], strict=True)}
            values = sorted((number, key) for key, number in ids.items() if number >= FIRST_VALUE)
            buckets = _buckets(node.input[0], constants)
            found[node.input[0]] = (*(key for _, key in values), *buckets)
    return found


def _buckets(column: str, constants: dict[str, np.ndarray]) -> list[str]:
    ids_B = constants.get(f"/{column}/bucket_ids", np.array([UNKNOWN]))
    if not ids_B.any():
        return []
    salt = constants[f"/{column}/salt"].item()
    salt = salt.decode() if isinstance(salt, bytes) else salt
    return [f"\0 bucket {place} of {len(ids_B)} behind {salt}" for place in np.flatnonzero(ids_B).tolist()]


def rows_by_value(
    old: EncodedSpec, new: EncodedSpec, old_values: dict[str, tuple[str, ...]], new_values: dict[str, tuple[str, ...]]
) -> tuple[np.ndarray, list[FieldRows]]:
    """The champion's row for every id, int64 [V], and what that is by field.

    Unknown and missing stay what they are, a number's buckets too; a new value starts as its field's unknown.
    """
    rows, told, offset = [], [], 0
    for name, old_ids, new_ids in zip(old.field_names, old.num_ids, new.num_ids, strict=True):
        before, now = old_values.get(name), new_values.get(name)
        if before is None or now is None:  # the buckets of a number
            ids_V = np.arange(new_ids)
            told.append(FieldRows(name=name, kept=new_ids - FIRST_VALUE, new=0, gone=0))
        else:
            id_of = {value: FIRST_VALUE + place for place, value in enumerate(before)}
            ids_V = np.array([0, 1, *(id_of.get(value, UNKNOWN) for value in now)])
            kept = int((ids_V >= FIRST_VALUE).sum())
            told.append(FieldRows(name=name, kept=kept, new=len(now) - kept, gone=len(before) - kept))
        rows.append(offset + ids_V)
        offset += old_ids
    return np.concatenate(rows).astype(np.int64), told

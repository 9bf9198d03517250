"""Which fields hold the values of one column with several, its slots, and what networks make of them: one vector.

Shape letters: N rows (or B of a batch), L slots of a column.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

MISSING_ID = 1  # of a slot without a value


@dataclass(frozen=True, kw_only=True)
class ListFields:
    """A column with several values."""

    name: str
    role: Literal["set", "sequence"]
    fields: tuple[int, ...]  # its slots among the fields, one behind the other; of a sequence the newest first
    pool: Literal["mean", "sum"]
    vocabulary: str | None  # the field or column with several values whose vectors these values have; None for their own
    target: str | None  # sequence only: the field that says what is shown, for attention

    @classmethod
    def from_json(cls, entry: dict[str, Any], field_names: Sequence[str]) -> "ListFields":
        fields = tuple(field_names.index(name) for name in entry["fields"])
        if fields != tuple(range(fields[0], fields[0] + len(fields))):
            raise ValueError(f"the slots of '{entry['name']}' must stand side by side, got {entry['fields']}")
        return cls(**{**entry, "fields": fields})

    def to_json(self, field_names: Sequence[str]) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": self.role,
            "fields": [field_names[field] for field in self.fields],
            "pool": self.pool,
            "vocabulary": self.vocabulary,
            "target": self.target,
        }

    @property
    def columns(self) -> slice:
        """Where its slots stand in an array of ids."""
        return slice(self.fields[0], self.fields[-1] + 1)


def own_offsets(num_ids: Sequence[int], lists: Sequence[ListFields]) -> list[int]:
    """Row of a table at which each field's ids begin, and behind them the table's length; slots of a column have one block."""
    later = {field for one in lists for field in one.fields[1:]}
    offsets, end = [], 0
    for field, size in enumerate(num_ids):
        offsets.append(offsets[-1] if field in later else end)
        end += 0 if field in later else size
    return [*offsets, end]


def shared_offsets(num_ids: Sequence[int], field_names: Sequence[str], lists: Sequence[ListFields]) -> list[int]:
    """As `own_offsets`, of a table where columns that share a vocabulary have one block."""
    sharing = [one for one in lists if one.vocabulary is not None]
    without = {field for one in sharing for field in one.fields}
    offsets = own_offsets([0 if field in without else size for field, size in enumerate(num_ids)], lists)
    first = {**dict(zip(field_names, range(len(num_ids)), strict=True)), **{one.name: one.fields[0] for one in lists}}
    for one in sharing:
        for field in one.fields:
            offsets[field] = offsets[first[str(one.vocabulary)]]
    return offsets


def slot_weights(ids_NL: np.ndarray, pool: str) -> np.ndarray:
    """What each slot counts, float32 [N, L]: those with a value 1, or their share. Without any the first one, which is missing,
    stands for all.
    """
    is_there_NL = ids_NL != MISSING_ID
    is_there_NL[:, 0] |= ~is_there_NL.any(axis=1)
    there_NL = is_there_NL.astype(np.float32)
    return there_NL if pool == "sum" else there_NL / there_NL.sum(axis=1, keepdims=True)

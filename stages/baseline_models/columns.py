"""The encoded columns a baseline sees: all the model sees, except pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.models.encoded_arrays import BUCKET_SUFFIX, EncodedSpec


@dataclass(frozen=True, kw_only=True)
class Field:
    """One categorical field of the encoded arrays."""

    name: str
    position: int  # column of cat_idx
    num_ids: int

    @property
    def is_bucket(self) -> bool:
        return self.name.endswith(BUCKET_SUFFIX)


def list_fields(spec: EncodedSpec) -> list[Field]:
    """All fields but the slots of columns with several values."""
    slots = {field for one in spec.lists for field in one.fields}
    pairs = zip(spec.field_names, spec.num_ids, strict=True)
    return [
        Field(name=name, position=number, num_ids=num_ids) for number, (name, num_ids) in enumerate(pairs) if number not in slots
    ]


def ids_of(cat_idx_NF: np.ndarray, field: Field) -> np.ndarray:
    """Ids of one field, contiguous, int32 [N]."""
    return np.ascontiguousarray(cat_idx_NF[:, field.position])

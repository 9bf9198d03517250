"""Reads data/encoded/: the spec of the encoded columns, and the memory-mapped arrays of a split.

Shape letters: N rows, F categorical fields, M dense columns, C creatives, S pixels a side.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.files import read_json
from stages.models.list_fields import ListFields, own_offsets, shared_offsets

BUCKET_SUFFIX = "__bucket"  # of the field that says which bucket a numeric column is in
CHECK_ROWS = 1 << 20  # rows looked at together when ranges are checked; bounds the memory it takes


@dataclass(frozen=True, kw_only=True)
class Number:
    """A numeric column: it is a field (the bucket it is in) and a dense column (its standardised value)."""

    field: int  # its place among the fields
    dense: int  # its place among the dense columns
    knots: tuple[float, ...]  # standardised values at which its buckets begin and end, strictly ascending


@dataclass(frozen=True, kw_only=True)
class EncodedSpec:
    """What the encoded columns are: enough to build a network for them."""

    field_names: tuple[str, ...]
    num_ids: tuple[int, ...]  # ids of each field: 0 unknown, 1 missing, 2.. values
    dense_names: tuple[str, ...]
    numbers: tuple[Number, ...]  # in the order of their fields
    has_creative: bool
    creative_field: int | None  # the field of the creatives' ids; None without images, or where the id is no feature
    num_creatives: int
    image_size: int  # pixels a side
    lists: tuple[ListFields, ...] = ()  # columns with several values, whose slots are fields

    @classmethod
    def from_json(cls, spec: dict[str, Any]) -> "EncodedSpec":
        field_names, dense_names = [field["name"] for field in spec["categorical"]], list(spec["dense"])
        return cls(
            field_names=tuple(field_names),
            num_ids=tuple(int(field["num_ids"]) for field in spec["categorical"]),
            dense_names=tuple(dense_names),
            numbers=tuple(
                Number(
                    field=field_names.index(f"{number['name']}{BUCKET_SUFFIX}"),
                    dense=dense_names.index(number["name"]),
                    knots=tuple(float(knot) for knot in number["knots"]),
                )
                for number in spec["numbers"]
            ),
            has_creative=bool(spec["creative"]),
            creative_field=None if spec["creative_field"] is None else field_names.index(spec["creative_field"]),
            num_creatives=int(spec.get("num_creatives") or 0),
            image_size=int(spec.get("image_size") or 0),
            lists=tuple(ListFields.from_json(entry, field_names) for entry in spec.get("lists", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """The same content as plain values, in the layout of spec.json."""
        values = asdict(self)
        pairs = zip(values["field_names"], values["num_ids"], strict=True)
        return {
            "categorical": [{"name": name, "num_ids": num_ids} for name, num_ids in pairs],
            "dense": list(values["dense_names"]),
            "numbers": [{"name": self.dense_names[one.dense], "knots": list(one.knots)} for one in self.numbers],
            "creative": values["has_creative"],
            "creative_field": None if self.creative_field is None else self.field_names[self.creative_field],
            "num_creatives": values["num_creatives"],
            "image_size": values["image_size"],
            **({"lists": [one.to_json(self.field_names) for one in self.lists]} if self.lists else {}),
        }

    @property
    def num_vectors(self) -> int:
        """Embeddings of a row: one for each field, and one for all slots of a column with several values."""
        return len(self.num_ids) - sum(len(one.fields) - 1 for one in self.lists)

    @property
    def own_offsets(self) -> list[int]:
        """Row of a table at which each field's ids begin, and the table's length; slots of a column have one block."""
        return own_offsets(self.num_ids, self.lists)

    @property
    def shared_offsets(self) -> list[int]:
        """As `own_offsets`, of a table where columns that share a vocabulary have one block."""
        return shared_offsets(self.num_ids, self.field_names, self.lists)


@dataclass(frozen=True, kw_only=True)
class EncodedSplit:
    """One split, memory-mapped and read-only."""

    cat_idx_NF: np.ndarray  # int32
    num_feats_NM: np.ndarray  # float32
    creative_idx_N: np.ndarray | None  # int32, 0 = no image known; None if the data set has no creatives
    label_N: np.ndarray  # uint8, 0 or 1
    weight_N: np.ndarray | None = None  # float64, above 0: what a row weighs in every sum over rows; None: 1

    def __len__(self) -> int:
        return len(self.label_N)

    @property
    def clicks_and_rows(self) -> tuple[float, float]:
        """What the clicked rows and all rows weigh; where they weigh 1, how many they are."""
        if self.weight_N is None:
            return int(self.label_N.sum(dtype=np.int64)), len(self)
        return float(self.weight_N[self.label_N == 1].sum()), float(self.weight_N.sum())

    @property
    def mean_weight(self) -> float:
        return 1.0 if self.weight_N is None else float(self.weight_N.mean())

    def taken(self, row_K: np.ndarray) -> "EncodedSplit":
        """The rows `row_K`, in memory."""
        return EncodedSplit(**{name: None if array is None else array[row_K] for name, array in vars(self).items()})


def load_spec(folder: Path) -> EncodedSpec:
    """The spec of `folder`. Raises ValueError if the file is missing or lacks a key."""
    path = folder / "spec.json"
    if not path.is_file():
        raise ValueError(f"{path} is missing; run the stage `encode` first")
    try:
        return EncodedSpec.from_json(read_json(path))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a spec of encoded columns ({error!r}); run the stage `encode` again") from error


def load_split(folder: Path, split: str, spec: EncodedSpec) -> EncodedSplit:
    """Split `split` of `folder`, checked against `spec`. Raises ValueError if it is empty or does not agree."""
    label_N = _open(folder / split / "label.npy", np.uint8, 1)
    creative_idx_N = _open(folder / split / "creative_idx.npy", np.int32, 1) if spec.has_creative else None
    arrays = EncodedSplit(
        cat_idx_NF=_open(folder / split / "cat_idx.npy", np.int32, 2),
        num_feats_NM=_open(folder / split / "num_feats.npy", np.float32, 2),
        creative_idx_N=creative_idx_N,
        label_N=label_N,
        weight_N=_open(weight_path, np.float64, 1) if (weight_path := folder / split / "weight.npy").is_file() else None,
    )
    if len(label_N) == 0:
        raise ValueError(f"split {split} in {folder / split} has no rows; give it some in the section `split`")
    _check_shapes(arrays, spec, folder / split)
    _check_ranges(arrays, spec, folder / split)
    return arrays


def load_creatives(folder: Path, spec: EncodedSpec) -> np.ndarray | None:
    """Pixels of all creatives, uint8 [C+1, 3, S, S], row 0 for no image; None if the data set has no creatives."""
    if not spec.has_creative:
        return None
    images = _open(folder / "creatives.npy", np.uint8, 4)
    expected = (spec.num_creatives + 1, 3, spec.image_size, spec.image_size)
    if images.shape != expected:
        raise ValueError(f"{folder / 'creatives.npy'} must have shape {expected}, got {images.shape}; {ENCODE_AGAIN}")
    return images


ENCODE_AGAIN = "run the stage `encode` again"


def _open(path: Path, dtype: type, num_axes: int) -> np.ndarray:
    if not path.is_file():
        raise ValueError(f"{path} is missing; {ENCODE_AGAIN}")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:  # numpy cannot map an array of no bytes, such as a split with no dense columns
        array = np.load(path, allow_pickle=False)
    if array.dtype != dtype or array.ndim != num_axes:
        expected = f"{np.dtype(dtype).name} of {num_axes} axes"
        raise ValueError(f"{path} must hold {expected}, got {array.dtype.name} of {array.ndim}; {ENCODE_AGAIN}")
    return array


def _check_shapes(arrays: EncodedSplit, spec: EncodedSpec, folder: Path) -> None:
    num_rows = len(arrays.label_N)
    expected = {
        "cat_idx.npy": (arrays.cat_idx_NF.shape, (num_rows, len(spec.field_names))),
        "num_feats.npy": (arrays.num_feats_NM.shape, (num_rows, len(spec.dense_names))),
    }
    if arrays.weight_N is not None:
        expected["weight.npy"] = (arrays.weight_N.shape, (num_rows,))
    if arrays.creative_idx_N is not None:
        expected["creative_idx.npy"] = (arrays.creative_idx_N.shape, (num_rows,))
    for name, (got, wanted) in expected.items():
        if got != wanted:
            raise ValueError(f"{folder / name} must have shape {wanted} by spec.json, got {got}; {ENCODE_AGAIN}")


def _check_ranges(arrays: EncodedSplit, spec: EncodedSpec, folder: Path) -> None:
    """An id beyond its table would read another field's embedding, silently; look at every one once."""
    for start in range(0, len(arrays), CHECK_ROWS):
        rows = slice(start, start + CHECK_ROWS)
        cat_idx_NF = arrays.cat_idx_NF[rows]
        if cat_idx_NF.shape[1]:
            for name, num_ids, low, high in zip(
                spec.field_names, spec.num_ids, cat_idx_NF.min(axis=0), cat_idx_NF.max(axis=0), strict=True
            ):
                _check_range(folder / "cat_idx.npy", f"ids of {name}", int(low), int(high), num_ids - 1)
        if arrays.creative_idx_N is not None:
            idx_N = arrays.creative_idx_N[rows]
            _check_range(folder / "creative_idx.npy", "indices", int(idx_N.min()), int(idx_N.max()), spec.num_creatives)
        label_N = arrays.label_N[rows]
        _check_range(folder / "label.npy", "labels", int(label_N.min()), int(label_N.max()), 1)
        if arrays.weight_N is not None and not (np.isfinite(arrays.weight_N[rows]) & (arrays.weight_N[rows] > 0)).all():
            raise ValueError(f"{folder / 'weight.npy'} must hold finite numbers above 0 only; {ENCODE_AGAIN}")
        if not np.isfinite(arrays.num_feats_NM[rows]).all():
            raise ValueError(f"{folder / 'num_feats.npy'} must hold finite numbers only, got NaN or infinity; {ENCODE_AGAIN}")


def _check_range(path: Path, what: str, low: int, high: int, allowed: int) -> None:
    if low < 0 or high > allowed:
        raise ValueError(f"{path}: {what} must be in 0..{allowed} by spec.json, got {low}..{high}; {ENCODE_AGAIN}")

"""Which cells the values of a column are counted in: values or buckets of the release's profile, and what lies beyond."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

UNKNOWN, MISSING, FIRST = 0, 1, 2  # cells; those of values or buckets follow
BEYOND = 20  # powers of two above the last edge and below the first that are cells of their own
PREDICTION = "p_click"
STEPS = {"brightness": 0.01, "contrast": 0.01, "colourfulness": 1.0, "width": 1.0, "height": 1.0}
EMBEDDING, DIRECTIONS = "image_embedding", 4
COSINE_EDGES = tuple(round(-0.95 + 0.1 * step, 3) for step in range(20))
LENGTH_EDGES = tuple(2.0 ** (step / 2) for step in range(-16, 17))
LOGIT_EDGES = tuple(round(-9 + 0.5 * step, 2) for step in range(25))  # of the prediction
IMAGES = {  # looks, and the edges of their cells where the profile has none
    "brightness": tuple(round(0.05 * step, 3) for step in range(1, 20)),
    "contrast": tuple(round(0.025 * step, 3) for step in range(1, 20)),
    "colourfulness": tuple(6.0 * step for step in range(1, 20)),
    "width": tuple(float(2**step) for step in range(4, 13)),
    "height": tuple(float(2**step) for step in range(4, 13)),
}


@dataclass(frozen=True, kw_only=True)
class ColumnPlan:
    """Cells of a column: unknown, missing, then its values and `other`, or its buckets and those beyond."""

    name: str  # as findings call it
    source: str  # column of the journal
    kind: str  # categorical or numeric
    role: str
    values: tuple[str, ...] = ()  # categorical: those with a cell of their own
    edges: tuple[float, ...] = ()  # numeric: bucket = number of edges <= x
    shares: tuple[float, ...] | None = None  # what the profile has of values and `other`, or of buckets; None: nothing
    unknown: float | None = None
    missing: float | None = None
    is_logit: bool = False  # are the edges of the logit of x
    direction: int | None = None  # of an embedding: along which it is looked at; -1: its length
    step: float = 0.0  # numbers that differ by less are one value; 0: buckets are the values
    facts: Mapping[str, Any] = field(default_factory=dict)  # what else the profile says

    @property
    def num_base(self) -> int:
        """Cells without those beyond the edges."""
        return FIRST + (len(self.edges) + 1 if self.kind == "numeric" else len(self.values) + 1)

    @property
    def num_cells(self) -> int:
        return self.num_base + (2 * BEYOND if self.kind == "numeric" else 0)

    @property
    def labels(self) -> list[str]:
        """Names of the base cells."""
        if self.kind == "categorical":
            return ["unknown", "missing", *self.values, "other values"]
        shown = [f"{edge:.3g}" for edge in self.edges]
        ranges = [f"below {shown[0]}", *(f"{a} to {b}" for a, b in pairwise(shown)), f"from {shown[-1]}"]
        return ["unknown", "missing", *(ranges if shown else ["any"])]

    @property
    def is_summed(self) -> bool:
        """Are shares those of all values from an edge on: a shift of few rows is spread over many buckets."""
        return self.role in ("prediction", "image")

    @property
    def is_id(self) -> bool:
        """Has it so many values that single ones come and go."""
        return self.role in ("creative", "entity")

    @property
    def is_closed(self) -> bool:
        """Did the training rows hold none that the vocabulary lacks."""
        return self.kind == "categorical" and not self.is_id and self.unknown is not None and self.unknown < 0.0005

    def base_of(self) -> np.ndarray:
        """For each cell the base cell that it is part of."""
        base = np.arange(self.num_cells)
        if self.kind == "numeric":
            base[self.num_base : self.num_base + BEYOND] = self.num_base - 1
            base[self.num_base + BEYOND :] = FIRST
        return base


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All columns of a release."""

    columns: tuple[ColumnPlan, ...]
    entity: str | None
    creative: str | None
    rows: int  # of the profile
    entities: float | None  # effective number of users of the profile

    def column(self, name: str) -> ColumnPlan:
        return next(column for column in self.columns if column.name == name)


def plan_of(declaration: Any, profile: Mapping[str, Any], names: Sequence[str]) -> Plan:
    """The plan for journal files with columns `names`."""
    found = [_declared(column, profile["columns"].get(column.name), names) for column in declaration.columns]
    columns = [column for column in found if column is not None]
    columns += [_looks(name, (profile.get("images") or {}).get(name)) for name in IMAGES if f"image_{name}" in names]
    if EMBEDDING in names:
        columns += [_embedding(direction) for direction in range(-1, DIRECTIONS)]
    columns.append(
        ColumnPlan(name=PREDICTION, source="probability", kind="numeric", role="prediction", edges=LOGIT_EDGES, is_logit=True)
    )
    entity, creative = declaration.entity, declaration.creative
    return Plan(
        columns=tuple(columns),
        entity=None if entity is None else _journal_name(entity.name, names),
        creative=None if creative is None else _journal_name(creative.name, names),
        rows=int(profile["rows"]),
        entities=profile.get("effective_entities"),
    )


def _journal_name(name: str, names: Sequence[str]) -> str | None:
    return next((one for one in (f"sent_{name}", name) if one in names), None)


def is_later_slot(column: Any) -> bool:
    """Is it a slot of a column with several values, and not the first: these go as the first one does."""
    return column.slot_of is not None and not column.name.endswith("[0]")


def _declared(column: Any, known: Mapping[str, Any] | None, names: Sequence[str]) -> ColumnPlan | None:
    source = _journal_name(column.name, names)
    if source is None or column.role not in ("categorical", "numeric", "creative", "entity") or is_later_slot(column):
        return None
    common: dict[str, Any] = {"name": column.name, "source": source, "role": column.role}
    if known is None:
        return ColumnPlan(kind="categorical", **common) if column.role in ("creative", "entity") else None
    common |= {"kind": known["kind"], "unknown": known["unknown"], "missing": known["missing"], "facts": known}
    if known["kind"] == "numeric":
        return ColumnPlan(edges=tuple(known["edges"]), shares=tuple(known["shares"]), **common)
    shares = (*known["shares"].values(), known["other"])
    return ColumnPlan(values=tuple(known["shares"]), shares=shares, **common)


def _looks(name: str, quantiles: Sequence[float] | None) -> ColumnPlan:
    """A look of the images; the profile has 21 quantiles of it, of which equal ones are one edge."""
    common: dict[str, Any] = {
        "name": f"image_{name}",
        "source": f"image_{name}",
        "kind": "numeric",
        "role": "image",
        "step": STEPS[name],
    }
    if quantiles is None:
        return ColumnPlan(edges=IMAGES[name], **common)
    edges, places = np.unique(np.asarray(quantiles[1:-1], dtype=float), return_index=True)
    below = np.where(edges > quantiles[0], (places + 1) / 20, 0.0)  # what is below the smallest value that there was: nothing
    levels = np.array([0.0, *below, 1.0])
    return ColumnPlan(edges=tuple(edges.tolist()), shares=tuple(np.diff(levels).tolist()), unknown=0.0, **common)


def _embedding(direction: int) -> ColumnPlan:
    """The embedding's length, or its cosine with a direction that is drawn once for all."""
    name = f"{EMBEDDING}_length" if direction < 0 else f"{EMBEDDING}_{direction + 1}"
    edges = LENGTH_EDGES if direction < 0 else COSINE_EDGES
    return ColumnPlan(name=name, source=EMBEDDING, kind="numeric", role="image", edges=edges, direction=direction)

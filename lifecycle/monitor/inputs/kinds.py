"""What is wrong with a column whose cells differ: a name for it, and what it is named by.

Shape letters: C cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from lifecycle.monitor.counts.frames import CLUSTERS
from lifecycle.monitor.counts.panel import Panel
from lifecycle.monitor.counts.plan import BEYOND, FIRST, MISSING, UNKNOWN, ColumnPlan
from lifecycle.monitor.inputs.comparisons import FUNCTION, HEAD, OFFSET, head_keys
from lifecycle.monitor.inputs.renamed import NEW, names_of_new
from lifecycle.monitor.inputs.verdicts import Hit

FACTORS = (1000.0, 100.0, 60.0, 24.0, 10.0, 1 / 10, 1 / 24, 1 / 60, 1 / 100, 1 / 1000)
FITS = 0.6  # correlation of what is too much with what a unit or another column would give
MOST = 0.7  # share of what is too much that one value has to have


@dataclass(frozen=True, kw_only=True)
class Named:
    """A hit with its name."""

    hit: Hit
    kind: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def named(hits: Sequence[Hit], panel: Panel) -> list[Named]:
    """Of the hits of one look, the strongest of each column and kind; a general one is left out where one says more."""
    found: dict[tuple[str, str], Named] = {}
    for hit in sorted(hits, key=lambda hit: (ORDER.index(hit.verdict), hit.p_value, -abs(hit.share - hit.expected))):
        one = _named(hit, panel)
        found.setdefault((hit.column, one.kind), one)
    found = _with_swaps(found, panel)
    specific = {column for (column, kind), one in found.items() if kind not in GENERAL and one.hit.verdict != "watch"}
    return [one for (column, kind), one in found.items() if kind not in GENERAL or column not in specific]


ORDER = ("page", "warning", "watch")
GENERAL = ("shares", "function")


def _named(hit: Hit, panel: Panel) -> Named:
    column = panel.plan.column(hit.column)
    if hit.test == OFFSET:
        return Named(hit=hit, kind="offset", detail=_offset(hit, column))
    if hit.test == HEAD:
        value = head_keys(panel.columns[hit.column])[hit.cell]
        return Named(hit=hit, kind="head" if column.is_id else "constant", detail={"value": value})
    if hit.test == NEW:
        return Named(hit=hit, kind="unknown", detail={"values": names_of_new(panel, hit.start, hit.end)})
    if hit.test == FUNCTION:
        return _disagreeing(hit, panel)
    if hit.cell == MISSING:
        return Named(hit=hit, kind="missing")
    if hit.cell == UNKNOWN:
        return Named(hit=hit, kind="unknown", detail={"values": _often(hit, panel)})
    return _of_values(hit, panel, column)


def _offset(hit: Hit, column: ColumnPlan) -> dict[str, Any]:
    size = 24 if len(column.values) > 7 else 7
    ahead = hit.cell if hit.cell <= size // 2 else hit.cell - size
    return {"hours" if size == 24 else "days": ahead}


def _often(hit: Hit, panel: Panel) -> list[str]:
    often = panel.columns[hit.column].often.filter(pl.col("unit").is_between(hit.start, hit.end - 1))
    known = panel.plan.column(hit.column).values
    counts = often.filter(~pl.col("key").is_in(known)).group_by("key").agg(pl.col("n").sum())
    return counts.sort(["n", "key"], descending=[True, False])["key"].head(10).to_list()


def _disagreeing(hit: Hit, panel: Panel) -> Named:
    """By which values, or in which direction, rows differ from the others of their creative."""
    prefix = f"{CLUSTERS[hit.cell]}:"
    minority = panel.columns[hit.column].minority.filter(
        pl.col("unit").is_between(hit.start, hit.end - 1) & pl.col("key").str.starts_with(prefix)
    )
    counts = minority.group_by("key").agg(pl.col("n").sum()).sort(["n", "key"], descending=[True, False])
    detail: dict[str, Any] = {"of": CLUSTERS[hit.cell]}
    if len(counts) and counts["n"][0] >= MOST * float(counts["n"].to_numpy().sum()):
        value = counts["key"][0].removeprefix(prefix)
        if panel.plan.column(hit.column).role != "image":
            return Named(hit=hit, kind="constant" if value else "missing", detail=detail | {"value": value})
        return Named(hit=hit, kind=_direction(hit.column, value == "below"), detail=detail)
    return Named(hit=hit, kind="function", detail=detail)


def _direction(name: str, is_less: bool) -> str:
    if name == "image_brightness":
        return "darker" if is_less else "brighter"
    return "less" if is_less else "more"


def _of_values(hit: Hit, panel: Panel, column: ColumnPlan) -> Named:
    """Values or buckets that have another share: too much of one, or of a factor, or more of some and less of others."""
    count_C = panel.columns[hit.column].count_UC[hit.start : hit.end].sum(axis=0).astype(np.float64)
    expected_C = expected_base(panel, column, hit)
    share_C = _base(count_C, column)
    more_C = share_C - expected_C
    if column.role in ("prediction", "image"):
        middle = float((np.arange(len(more_C)) * more_C)[FIRST:].sum())
        kind = "shifted" if column.role == "prediction" else _direction(column.name, middle < 0)
        return Named(hit=hit, kind=kind, detail={"direction": "down" if middle < 0 else "up"})
    if (value := _single(column, count_C, expected_C, hit)) is not None:
        return Named(hit=hit, kind="constant", detail={"value": value})
    if column.kind == "numeric" and (factor := _factor(column, count_C, expected_C)) is not None:
        return Named(hit=hit, kind="unit", detail={"factor": factor})
    return Named(hit=hit, kind="shares", detail={"value": column.labels[hit.cell]})


CLEAR = 3.0  # standard deviations beyond which a cell has too much


def _single(column: ColumnPlan, count_C: np.ndarray, expected_C: np.ndarray, hit: Hit) -> str | None:
    """The one value, or bucket, that there is too much of; None if it is none or several. Those beyond the edges are apart."""
    share_C = count_C / max(count_C.sum(), 1.0)
    usual_C = np.concatenate([expected_C, np.zeros(column.num_cells - column.num_base)])
    spread_C = np.sqrt(np.maximum(usual_C * (1 - usual_C), 1e-6) / hit.size)
    more_C = np.where(share_C - usual_C > CLEAR * spread_C, share_C - usual_C, 0.0)
    more_C[column.num_base :] = np.where(share_C[column.num_base :] > CONSTANT, more_C[column.num_base :], 0.0)
    top = int(np.argmax(more_C[FIRST:])) + FIRST
    if more_C[top] <= 0 or more_C[top] < MOST * more_C.sum():
        return None
    return column.labels[int(column.base_of()[top])]


CONSTANT = 0.01  # share of rows beyond the edges that counts


def expected_base(panel: Panel, column: ColumnPlan, hit: Hit) -> np.ndarray:
    """Shares of the base cells by the profile, else by all units before the window."""
    if column.shares is not None and column.role != "image":
        return np.array([column.unknown or 0.0, column.missing or 0.0, *column.shares])
    return _base(panel.columns[column.name].count_UC[: hit.start].sum(axis=0).astype(np.float64), column)


def _base(count_C: np.ndarray, column: ColumnPlan) -> np.ndarray:
    base_C = np.bincount(column.base_of(), count_C, minlength=column.num_base)
    if column.role == "image":
        base_C[MISSING] = 0
    return base_C / max(base_C.sum(), 1.0)


def _places(column: ColumnPlan) -> tuple[np.ndarray, np.ndarray]:
    """Cells of a numeric column from the smallest values to the largest, with a typical value of each."""
    edges = np.asarray(column.edges)
    inner = np.concatenate([[edges[0] - (abs(edges[0]) or 1) * 0.25], (edges[:-1] + edges[1:]) / 2, [edges[-1] * 1.25]])
    down = edges[0] / 2.0 ** (np.arange(BEYOND) + 1.5)
    up = edges[-1] * 2.0 ** (np.arange(BEYOND) + 1.5)
    cells = np.concatenate(
        [
            np.arange(column.num_base + BEYOND, column.num_cells)[::-1],
            np.arange(FIRST, column.num_base),
            np.arange(column.num_base, column.num_base + BEYOND),
        ]
    )
    return cells, np.concatenate([down[::-1], inner, up])


def _factor(column: ColumnPlan, count_C: np.ndarray, expected_C: np.ndarray) -> float | None:
    """By which factor some values seem to be multiplied; None if none fits."""
    if not column.edges or column.edges[-1] <= 0:
        return None
    excess = _excess(column, count_C, expected_C)
    if excess is None:
        return None
    fits = {factor: _alike(excess, _moved(column, column, expected_C, factor)) for factor in FACTORS}
    best = max(fits, key=lambda factor: fits[factor])
    return best if fits[best] >= FITS else None


def _excess(column: ColumnPlan, count_C: np.ndarray, expected_C: np.ndarray) -> np.ndarray | None:
    """What there is too much of in each cell, from the smallest values to the largest."""
    cells, _ = _places(column)
    share = count_C[cells] / max(count_C.sum(), 1.0)
    usual = np.where(cells < column.num_base, expected_C[np.minimum(cells, column.num_base - 1)], 0.0)
    excess = np.maximum(share - usual, 0.0)
    return _smooth(excess) if excess.sum() > 0 else None


def _moved(column: ColumnPlan, source: ColumnPlan, expected_C: np.ndarray, factor: float) -> np.ndarray:
    """Where the values of `source` lie among the cells of `column` if they are multiplied."""
    cells, values = _places(source)
    kept = (cells >= FIRST) & (cells < source.num_base)
    own_cells, own_values = _places(column)
    share = np.zeros(len(own_cells))
    place = np.abs(np.arcsinh(own_values[None] * 1e3) - np.arcsinh(values[kept][:, None] * factor * 1e3)).argmin(axis=1)
    np.add.at(share, place, expected_C[cells[kept]])
    return _smooth(share)


def _smooth(share: np.ndarray) -> np.ndarray:
    return np.convolve(share, [0.25, 0.5, 0.25], mode="same")


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """Cosine of two histograms."""
    return float((one @ other) / max(np.sqrt((one @ one) * (other @ other)), 1e-12))


def _with_swaps(found: dict[tuple[str, str], Named], panel: Panel) -> dict[tuple[str, str], Named]:
    """Two columns, each with what is usual in the other, are one finding each: swapped."""
    result = dict(found)
    columns = list(dict.fromkeys(column for column, _ in found))
    for place, one in enumerate(columns):
        for other in columns[place + 1 :]:
            if _holds(found, panel, one, other) and _holds(found, panel, other, one):
                for column, partner in ((one, other), (other, one)):
                    first = next(item for (name, _), item in found.items() if name == column)
                    result = {key: item for key, item in result.items() if key[0] != column}
                    result[(column, "swapped")] = Named(hit=first.hit, kind="swapped", detail={"with": partner})
    return result


def _holds(found: Mapping[tuple[str, str], Named], panel: Panel, name: str, other: str) -> bool:
    """Is what is too much in a column what is usual in the other."""
    column, partner = panel.plan.column(name), panel.plan.column(other)
    if column.kind != partner.kind:
        return False
    if column.kind == "categorical":
        unknown = found.get((name, "unknown"))
        values = unknown.detail["values"] if unknown is not None else []
        return bool(values) and sum(value in partner.values for value in values) >= MOST * len(values)
    items = [item for (key, _), item in found.items() if key == name]
    if not column.edges or not partner.edges or partner.shares is None:
        return False
    hit = items[0].hit
    count_C = panel.columns[name].count_UC[hit.start : hit.end].sum(axis=0).astype(np.float64)
    excess = _excess(column, count_C, expected_base(panel, column, hit))
    usual_C = np.array([0.0, 0.0, *partner.shares])
    return excess is not None and _alike(excess, _moved(column, partner, usual_C, 1.0)) >= FITS

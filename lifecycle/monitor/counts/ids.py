"""Which creatives came in each unit of time, by hashes of their ids; where there are too many, a sample of creatives.

Shape letters: N rows, V values, R runs of one creative in one unit, I creatives, U units.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from lifecycle.monitor.counts.frames import IDS, IDS_UNTIL, NEW_IDS, Coded, frame
from lifecycle.monitor.counts.plan import MISSING, UNKNOWN, ColumnPlan

MOST_IDS = 1000  # creatives of a unit that are kept: those with the smallest hashes
LONGEST, DIGITS = 60, 16  # letters of an id that are kept beside its hash, and of the hash


@dataclass(frozen=True, kw_only=True)
class SeenIds:
    """Creatives of the units, the oldest first: in each, how many rows each had."""

    unit_R: np.ndarray
    id_R: np.ndarray
    rows_R: np.ndarray
    first_I: np.ndarray  # the unit that had it first
    is_unknown_I: np.ndarray  # did the release not know it
    name_I: pl.Series


def ids_of_units(column: ColumnPlan, coded: Coded, unit_N: np.ndarray, has_vocabulary: bool) -> list[pl.DataFrame]:
    """Rows of each creative in each unit, apart by whether the release knew it.

    A unit with many keeps those with the smallest hashes, and the first hash that it left out: a bottom-k sample, which is
    the same creatives in all units (E. Cohen, H. Kaplan, Summarizing data using bottom-k sketches, PODC 2007).
    """
    assert coded.values is not None
    there = np.flatnonzero(coded.cell_N != MISSING)
    unknown_V = np.zeros(len(coded.values), dtype=bool)
    is_unknown_N = (coded.cell_N == UNKNOWN) | (not has_vocabulary and coded.cell_N == column.num_base - 1)
    unknown_V[coded.value_N[there]] = is_unknown_N[there]
    key_V = np.array([_key(text) for text in coded.values])
    order_V = np.argsort(key_V)
    rank_V = np.argsort(order_V)
    key, rows_R = np.unique(unit_N[there] * len(key_V) + rank_V[coded.value_N[there]], return_counts=True)
    unit_R, value_R = key // len(key_V), order_V[key % len(key_V)]
    place_R = np.arange(len(key)) - np.searchsorted(unit_R, unit_R)
    frames = []
    for what, chosen_R in ((IDS, ~unknown_V[value_R]), (NEW_IDS, unknown_V[value_R])):
        kept = np.flatnonzero(chosen_R & (place_R < MOST_IDS))
        frames.append(frame(column.name, what, pl.Series(key_V[value_R[kept]]), unit_R[kept], rows_R[kept]))
    until = np.flatnonzero(place_R == MOST_IDS)
    return [*frames, frame(column.name, IDS_UNTIL, pl.Series(key_V[value_R[until]]), unit_R[until], rows_R[until])]


def _key(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=DIGITS // 2).hexdigest() + text[:LONGEST]


def seen_ids(parts: Mapping[str, pl.DataFrame], units: int) -> SeenIds | None:
    """Of tables with `unit`, `key`, `n`, by what they are; only creatives that no unit left out. None without any."""
    kinds = [part.select("unit", "key", "n", new=pl.lit(what == NEW_IDS)) for what, part in parts.items() if what != IDS_UNTIL]
    if not kinds:
        return None
    table = pl.concat(kinds)
    if (until := parts.get(IDS_UNTIL)) is not None:
        table = table.filter(pl.col("key") < until["key"].min())
    table = table.with_columns(id=pl.col("key").rank("dense").cast(pl.Int64) - 1).sort("unit", "id")
    unit_R, id_R = table["unit"].to_numpy(), table["id"].to_numpy()
    names = table["key"].unique().sort().str.slice(DIGITS)
    first_I, is_unknown_I = np.full(len(names), units), np.zeros(len(names), dtype=bool)
    np.minimum.at(first_I, id_R, unit_R)
    is_unknown_I[id_R[table["new"].to_numpy()]] = True
    return SeenIds(
        unit_R=unit_R, id_R=id_R, rows_R=table["n"].to_numpy(), first_I=first_I, is_unknown_I=is_unknown_I, name_I=names
    )

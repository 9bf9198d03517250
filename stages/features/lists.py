"""What fit makes of columns with several values: one vocabulary for all slots, one verdict, and how networks find the slots.

Shape letters: N rows, L slots of a column.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from contracts.dataset.columns import Column
from contracts.dataset.declaration import Declaration
from contracts.dataset.lists import slot_names
from stages.features.config import FeaturesConfig, SelectionConfig
from stages.features.selection import information
from stages.features.vocabulary import FIRST_ID, MISSING_ID, Scale, Vocabulary, fit_vocabulary

Part = Vocabulary | Scale


def slots(column: Column) -> tuple[str, ...]:
    return slot_names(column.name, column.longest or 0)


def fit_slots(
    declaration: Declaration,
    train: pl.DataFrame,
    known: dict[str, Part],
    config: FeaturesConfig,
    count_N: np.ndarray | None = None,
    salts: Mapping[str, str] | None = None,
) -> dict[str, Part]:
    """The vocabularies of all slots, by name; `known` are those of the other columns; row i stands for `count_N[i]` rows.

    Values of all slots of a column are counted together. A column that shares another one's vocabulary has that one's values,
    but no buckets. `salts` are those of `salts_of`.
    """
    whole: dict[str, Part] = dict(known)
    own = [column for column in declaration.lists if column.vocabulary is None]
    for column in own:
        values = pl.concat([train[name].alias("value") for name in slots(column)])
        counts_V = None if count_N is None else np.tile(count_N, len(slots(column)))
        whole[column.name] = fit_vocabulary(column, values, config, counts_V, (salts or {}).get(column.name))
    found: dict[str, Part] = {}
    for column in declaration.lists:
        one = whole[column.vocabulary or column.name]
        one = one if column.vocabulary is None else replace(one, bucket_ids=(), salt="")
        found |= {name: replace(one, name=name) for name in slots(column)}
    return found


@dataclass(frozen=True, kw_only=True)
class JudgedColumns:
    """The features as the selection judges them: all slots of a column together."""

    columns: tuple[Column, ...]
    ids: dict[str, np.ndarray]
    missing: dict[str, float]

    @classmethod
    def of(
        cls, declaration: Declaration, ids: dict[str, np.ndarray], missing: dict[str, float], label_N: np.ndarray,
        config: SelectionConfig, seed: int,
    ) -> "JudgedColumns":  # fmt: skip
        ids, missing, rng = dict(ids), dict(missing), np.random.default_rng([seed, 1])
        several = {column.name for column in declaration.lists}
        for column in declaration.lists:
            ids_NL = np.stack([ids.pop(name) for name in slots(column)], axis=1)
            missing[column.name] = float((ids_NL == MISSING_ID).all(axis=1).mean())
            shown_N = ids.get(column.vocabulary or "") if column.vocabulary not in several else None
            views = views_of(ids_NL, shown_N, rng)
            scores = [information(view_N, label_N, config.num_shuffles, rng)[1] for view_N in views]
            ids[column.name] = views[int(np.argmax(scores))]
        columns = tuple(column for column in declaration.written if column.is_feature)
        return cls(columns=columns, ids=ids, missing=missing)


def views_of(ids_NL: np.ndarray, shown_N: np.ndarray | None, rng: np.random.Generator) -> list[np.ndarray]:
    """What a column with several values may say of a click, int32 [N] each: one of its values, drawn for each row; how many it
    has; and, where they are values of another column, whether that one's is among them.

    Each is one value a row, so that rows stay as independent as they were; all values of a row together would not be.
    """
    is_there_NL = ids_NL != MISSING_ID
    rank_NL = np.where(is_there_NL, rng.random(ids_NL.shape), -1.0)
    drawn_N = ids_NL[np.arange(len(ids_NL)), rank_NL.argmax(axis=1)]
    views = [drawn_N, is_there_NL.sum(axis=1)]
    if shown_N is not None:
        views.append(((ids_NL == shown_N[:, None]) & (ids_NL >= FIRST_ID)).any(axis=1))
    return [view_N.astype(np.int32) for view_N in views]


def names_of_parts(declaration: Declaration, kept: Iterable[str]) -> set[str]:
    """The kept columns' names, slots for those with several values."""
    whole = {column.name: slots(column) for column in declaration.lists}
    return {name for column in kept for name in whole.get(column, (column,))}


def described_lists(declaration: Declaration, parts: list[Part]) -> list[dict[str, Any]]:
    """Entries of spec.json: what stands in which fields. Only what the model sees is named."""
    seen = {part.name for part in parts}
    lists = [column for column in declaration.lists if slots(column)[0] in seen]
    known = seen | {column.name for column in lists}
    creative = None if declaration.creative is None else declaration.creative.name
    found = []
    for column in lists:
        vocabulary = column.vocabulary if column.vocabulary in known else None
        target = next((name for name in (column.vocabulary, creative) if name in seen), None)
        found.append(
            {
                "name": column.name,
                "role": column.role,
                "fields": list(slots(column)),
                "pool": column.pool or "mean",
                "vocabulary": vocabulary,
                "target": target if column.role == "sequence" else None,
            }
        )
    return found

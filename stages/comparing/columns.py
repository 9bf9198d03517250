"""What each column is worth to each model: the columns of sampled test rows are shuffled, one after the other.

A shuffled column says nothing about its row any more, so what the log-loss rises by is what the model had from it (Breiman 2001,
permutation importance). Both models see the same rows in the same shuffled order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stages.comparing.pairs import Pair, log_odds
from stages.evaluation.metrics import row_log_loss
from stages.features.vocabulary import UNKNOWN_ID
from stages.files import read_json
from stages.scoring.scorer import Scorer

IMAGE = "(image)"  # the looks of the creative alone, without its id
STREAM = 17  # of random numbers, apart from those of other users of the seed


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What shuffling one column does to one model. Losses are in nats a row."""

    used: bool
    change: float = 0.0  # mean size of the change of the log-odds
    rise: float = 0.0  # of the log-loss
    error: float = 0.0  # standard error of the rise

    def as_dict(self) -> dict[str, Any]:
        numbers = {"change": round(self.change, 7), "rise": round(self.rise, 7), "error": round(self.error, 7)}
        return {"used": self.used, **numbers}


@dataclass(frozen=True, kw_only=True)
class ColumnWorth:
    """Both models' worth of one column."""

    name: str
    champion: Worth
    candidate: Worth
    gap_error: float  # standard error of the difference of the two rises, of the same rows
    agreement: float | None  # correlation of the two models' changes of the log-odds; None where one of them has none

    def as_dict(self) -> dict[str, Any]:
        both = {"champion": self.champion.as_dict(), "candidate": self.candidate.as_dict()}
        agreement = None if self.agreement is None else round(self.agreement, 4)
        return {"name": self.name, **both, "gap_error": round(self.gap_error, 7), "agreement": agreement}


def sampled_places(num_rows: int, sampled: int, seed: int) -> np.ndarray:
    """Ascending numbers of the rows that are sampled, int64 [n]; all rows if there are no more."""
    if num_rows <= sampled:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng([seed, STREAM]).choice(num_rows, sampled, replace=False))


def column_worths(
    pair: Pair, rows: pl.DataFrame, label_N: np.ndarray, seed: int, on_done: Callable[[], Any]
) -> list[ColumnWorth]:
    """Every column that a model reads, in the order of the test rows' columns, and IMAGE where creatives have images.

    The slots of a column with several values are shuffled together.
    """
    order_N = np.random.default_rng([seed, STREAM + 1]).permutation(len(rows))
    scorers = (pair.champion, pair.candidate)
    usual = [log_odds(pair.score(scorer, rows)) for scorer in scorers]
    groups: dict[str, list[str]] = {}
    for name in rows.columns:
        if any(name in scorer.encoder.inputs for scorer in scorers):
            groups.setdefault(pair.whole.get(name, name), []).append(name)
    found = []
    for name in [*groups, *([IMAGE] if all(scorer.encoder.has_creatives for scorer in scorers) else [])]:
        shuffled = [_shuffled(pair, scorer, rows, groups.get(name), order_N) for scorer in scorers]
        found.append(_worth(name, label_N, usual, shuffled))
        on_done()
    return found


def _shuffled(pair: Pair, scorer: Scorer, rows: pl.DataFrame, names: list[str] | None, order_N: np.ndarray) -> np.ndarray | None:
    """Log-odds [N] with the columns shuffled, None for the images; None if the model does not read them."""
    if names is None:
        encoded, vectors = pair.encode(scorer, rows)
        looks = replace(encoded, creative_idx=encoded.creative_idx[order_N])
        return log_odds(scorer.rank(looks, None if vectors is None else vectors[order_N]))
    if not {*names} & {*scorer.encoder.inputs}:
        return None
    return log_odds(pair.score(scorer, rows.with_columns(rows[name][order_N] for name in names)))


def _worth(name: str, label_N: np.ndarray, usual: list[np.ndarray], shuffled: list[np.ndarray | None]) -> ColumnWorth:
    changes = [np.zeros(len(label_N)) if z is None else z - before for before, z in zip(usual, shuffled, strict=True)]
    rises = [_loss(label_N, before + change) - _loss(label_N, before) for before, change in zip(usual, changes, strict=True)]
    champion, candidate = (
        Worth(
            used=z is not None,
            change=float(np.abs(change).mean()),
            rise=float(rise.mean()),
            error=_error(rise),
        )
        for z, change, rise in zip(shuffled, changes, rises, strict=True)
    )
    varies = all(change.std() > 0 for change in changes)
    agreement = float(np.corrcoef(*changes)[0, 1]) if varies else None
    return ColumnWorth(
        name=name, champion=champion, candidate=candidate, gap_error=_error(rises[0] - rises[1]), agreement=agreement
    )  # fmt: skip


def _loss(label_N: np.ndarray, log_odds_N: np.ndarray) -> np.ndarray:
    return row_log_loss(label_N, 1 / (1 + np.exp(-log_odds_N)))


def _error(values_N: np.ndarray) -> float:
    return float(values_N.std() / np.sqrt(len(values_N)))


def unseen_shares(export: Path, cat_idx_NF: np.ndarray) -> dict[str, float]:
    """Share of rows whose value has no id of its own, of every categorical column that the model reads."""
    features = read_json(export / "features.json")
    strings = {one["name"] for one in (*features["inputs"], *features.get("computed", [])) if one["kind"] == "categorical"}
    fields = [(place, field) for place, field in enumerate(features["categorical"]) if field["name"] in strings]
    return {field["name"]: round(float(_is_unseen(cat_idx_NF[:, place], field).mean()), 6) for place, field in fields}


def _is_unseen(ids_N: np.ndarray, field: dict[str, Any]) -> np.ndarray:
    return (ids_N == UNKNOWN_ID) | (ids_N >= field["num_ids"] - field.get("hashed", 0))

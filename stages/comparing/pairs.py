"""The test rows, scored by both models in pieces of bounded size, each through its own encoder and ranker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from stages.comparing.models import ExportedModel
from stages.row_weights import row_weights, weight_names
from stages.scoring.scorer import Scorer, parquet_batches

P_MIN = 1e-7  # float32 probabilities are kept this far from 0 and 1 before their log-odds are taken


@dataclass(frozen=True, kw_only=True)
class ScoredPiece:
    """Some test rows with the predictions of both models."""

    start: int  # number of the first row among all test rows
    rows: pl.DataFrame
    label_N: np.ndarray  # float64, 0 and 1
    champion_N: np.ndarray  # float32 probabilities
    candidate_N: np.ndarray
    old_requests_N: np.ndarray | None  # of the candidate, with the columns missing that the champion did not have
    mass_N: np.ndarray | float = 1.0  # what each row weighs


class Pair:
    """Champion and candidate, ready to score the same rows."""

    def __init__(
        self, champion: ExportedModel, candidate: ExportedModel, new_features: tuple[str, ...], test: Path, clean_dir: Path
    ) -> None:
        """`new_features`: columns of the candidate that the champion did not have. `clean_dir` has the creatives' images."""
        self.champion, self.candidate = Scorer(champion.export), Scorer(candidate.export)
        self.creative = candidate.declaration.creative.name if candidate.declaration.images is not None else None
        self.new_features = tuple(name for name in new_features if name in self.candidate.encoder.inputs)
        self.whole = {c.name: c.slot_of for c in candidate.declaration.columns if c.slot_of is not None}  # of slots, their column
        self.declaration, self.label = candidate.declaration, candidate.declaration.label.name
        self._images = {
            id(scorer): unseen_images(scorer, test, self.creative, clean_dir) for scorer in (self.champion, self.candidate)
        }

    def score(self, scorer: Scorer, rows: pl.DataFrame) -> np.ndarray:
        """Probabilities float32 [N] by one of the two, with the images of creatives that it has not seen."""
        return scorer.score(rows, self._images[id(scorer)], self.creative)

    def encode(self, scorer: Scorer, rows: pl.DataFrame):
        return scorer.encode(rows, self._images[id(scorer)], self.creative)

    def pieces(self, test: Path, columns: list[str]) -> Iterator[ScoredPiece]:
        """All test rows in order. `columns` are kept beside those that the models read."""
        wanted = {
            *self.champion.encoder.inputs,
            *self.candidate.encoder.inputs,
            self.label,
            *weight_names(self.declaration),
            *columns,
        }
        there = [name for name in pq.read_schema(test).names if name in wanted]
        start = 0
        for rows in parquet_batches(test, there):
            yield self._piece(start, rows)
            start += len(rows)

    def _piece(self, start: int, rows: pl.DataFrame) -> ScoredPiece:
        old = None
        if self.new_features:
            old = self.score(self.candidate, without(rows, self.new_features))
        return ScoredPiece(
            start=start,
            rows=rows,
            label_N=rows[self.label].cast(pl.Float64).to_numpy(),
            mass_N=row_weights(rows, self.declaration).mass_N,
            champion_N=self.score(self.champion, rows),
            candidate_N=self.score(self.candidate, rows),
            old_requests_N=old,
        )


def without(rows: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """`rows` with the values of the named columns missing."""
    return rows.with_columns(pl.lit(None, dtype=rows.schema[name]).alias(name) for name in names)


def log_odds(p_click: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), float64 [N]."""
    p = np.clip(p_click.astype(np.float64), P_MIN, 1 - P_MIN)
    return np.log(p) - np.log1p(-p)


def unseen_images(scorer: Scorer, test: Path, creative: str | None, clean_dir: Path) -> pl.DataFrame | None:
    """Images (creative_id, image) of creatives in the test rows that the model has not seen; None if there are no images."""
    if creative is None or not scorer.encoder.has_creatives:
        return None
    ids = pl.scan_parquet(test).select(pl.col(creative).cast(pl.String)).unique().collect().to_series().drop_nulls()
    unseen = ids.filter(pl.Series(scorer.encoder.creative_rows(ids) == 0))
    files = sorted(clean_dir.glob("*/creatives.parquet"))
    if not files or unseen.is_empty():
        return None
    is_wanted = pl.col("creative_id").is_in(unseen.implode())
    found = [pl.scan_parquet(path).filter(is_wanted).select("creative_id", "image").collect() for path in files]
    return pl.concat(found).unique("creative_id", keep="last", maintain_order=True)

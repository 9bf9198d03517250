"""Both models on the same test rows: one pass over the rows, one over the columns, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from tqdm import tqdm

from contracts.dataset.declaration import Declaration
from stages.comparing import findings
from stages.comparing.columns import ColumnWorth, column_worths, sampled_places, unseen_shares
from stages.comparing.config import CompareConfig
from stages.comparing.declarations import new_columns
from stages.comparing.models import ExportedModel
from stages.comparing.paired import CHAMPION_LOSS, CLICKS, ROWS, PairedSums, old_relative, relative, summary
from stages.comparing.pairs import Pair, ScoredPiece, log_odds
from stages.comparing.rows import RowDifferences
from stages.comparing.training import compare_profiles, training_facts
from stages.comparing.values import ValueSums
from stages.comparing.verdict import by_log_loss, decide, gap_of, vetoes
from stages.evaluation.metrics import binary_entropy
from stages.evaluation.slices import Slice

ROWS_ALONE = "rows"  # what is drawn where there are neither users nor creatives


@dataclass(frozen=True, kw_only=True)
class Passed:
    """What one pass over the test rows has collected."""

    sums: PairedSums
    rows: RowDifferences
    values: ValueSums
    sample: pl.DataFrame  # the rows whose columns are shuffled
    has_old_requests: bool


def compare_models(
    cfg: CompareConfig,
    champion: ExportedModel,
    candidate: ExportedModel,
    slices: list[Slice],
    watched: list[int],
    confidence: float,
    test: Path,
    clean_dir: Path,
) -> dict[str, Any]:
    """The verdict and all that it rests on, as plain values. `watched`: places in `slices` of those that may veto."""
    declaration = candidate.declaration
    new = tuple(column.name for column in new_columns(champion.declaration, declaration) if column.is_feature)
    pair = Pair(champion, candidate, new, test, clean_dir)
    num_rows = pq.read_metadata(test).num_rows
    with tqdm(total=num_rows, desc="compare", unit="row", unit_scale=True, mininterval=1, disable=None) as bar:
        passed = pass_over(cfg, pair, declaration, slices, test, bar.update)
    worths = worth_of_columns(cfg, pair, passed.sample)
    unseen = {
        name: unseen_shares(model.export, scorer.encoder.encode(passed.sample).cat_idx)
        for name, model, scorer in (("champion", champion, pair.champion), ("candidate", candidate, pair.candidate))
    }
    return judge(cfg, champion, candidate, passed, worths, unseen, watched, confidence)


def pass_over(
    cfg: CompareConfig, pair: Pair, declaration: Declaration, slices: list[Slice], test: Path, on_rows: Callable[[int], Any]
) -> Passed:
    """Score all test rows with both models, a piece at a time, and add them up."""
    entity, creative, key, time = (declaration.entity, declaration.creative, declaration.key, declaration.time)
    units = {"users": entity, "creatives": creative}
    drawn = {what: column.name for what, column in units.items() if column is not None}
    shown = [column.name for column in (key, time, entity, creative) if column is not None]
    single = [column for column in declaration.columns if column.slot_of is None]
    by_value = tuple(column.name for column in single if column.role in ("categorical", "creative", "entity"))
    sums = PairedSums(slices, tuple(drawn) or (ROWS_ALONE,), cfg.num_resamples, cfg.seed)
    rows = RowDifferences(shown, by_user=entity is not None)
    values, sample = ValueSums(by_value), []
    places = sampled_places(pq.read_metadata(test).num_rows, cfg.sampled_rows, cfg.seed)
    for piece in pair.pieces(test, [*drawn.values(), *shown, *by_value]):
        numbers = {name: unit_numbers(piece, name) for name in (*drawn.values(), None)}
        old = piece.candidate_N if piece.old_requests_N is None else piece.old_requests_N
        predictions = [piece.champion_N, piece.candidate_N, old]
        units = [numbers[name] for name in drawn.values()] or [numbers[None]]
        losses = sums.add(piece.start, units, piece.label_N, predictions, piece.mass_N)
        rows.add(piece, numbers[None if entity is None else entity.name])
        gap_N = log_odds(piece.candidate_N) - log_odds(piece.champion_N)
        values.add(piece.rows, piece.label_N, *losses, gap_N, (piece.candidate_N + piece.champion_N) / 2)
        inside = places[(places >= piece.start) & (places < piece.start + len(piece.rows))]
        sample.append(piece.rows[inside - piece.start])
        on_rows(len(piece.rows))
    return Passed(
        sums=sums, rows=rows, values=values, sample=pl.concat(sample), has_old_requests=bool(pair.new_features)
    )  # fmt: skip


def unit_numbers(piece: ScoredPiece, column: str | None) -> np.ndarray:
    """A 64-bit number for each row's user or creative, uint64 [N]. A row without one is a unit of its own."""
    own = pl.Series(np.arange(piece.start, piece.start + len(piece.rows), dtype=np.int64)).hash(1)
    if column is None:
        return own.to_numpy()
    values = piece.rows[column]
    return pl.select(pl.when(values.is_null()).then(own).otherwise(values.cast(pl.String).hash(0))).to_series().to_numpy()


def worth_of_columns(cfg: CompareConfig, pair: Pair, sample: pl.DataFrame) -> list[ColumnWorth]:
    label_N = sample[pair.label].cast(pl.Float64).to_numpy()
    with tqdm(desc="compare columns", unit="column", mininterval=1, disable=None) as bar:
        return column_worths(pair, sample, label_N, cfg.seed, lambda: bar.update())


def judge(
    cfg: CompareConfig,
    champion: ExportedModel,
    candidate: ExportedModel,
    passed: Passed,
    worths: list[ColumnWorth],
    unseen: dict[str, dict[str, float]],
    watched: list[int],
    confidence: float,
) -> dict[str, Any]:
    """The verdict, the findings, and the numbers that they come from."""
    sums = passed.sums
    overall = summary(sums, 0, confidence)
    log_loss = float(sums.point()[CHAMPION_LOSS] / sums.point()[ROWS])
    facts = [training_facts(model.splits, model.profile) for model in (champion, candidate)]
    profiles = compare_profiles(champion.profile["columns"], candidate.profile["columns"])
    worst = passed.values.worst(float(relative(sums.point())), cfg.watch_margin)
    entropy = float(binary_entropy(sums.point()[CLICKS] / sums.point()[ROWS]))
    then, now = entropy_then(champion.evaluation), log_loss / entropy if entropy > 0 else None
    suspicions = [] if (rows := findings.forgotten_finding(then, now)) is None else [rows]
    suspicions += suspicious(cfg, overall["relative"], worths, log_loss, facts, profiles, unseen, worst, candidate.declaration)
    vetoed = vetoes(sums, watched, cfg)
    old = sums.estimate(0, old_relative, confidence) if passed.has_old_requests else None
    if old is not None and by_log_loss(old, cfg)[0] == "worse":
        text = f"requests written for the champion, without the new columns: {by_log_loss(old, cfg)[1]}"
        vetoed.append(findings.finding("old_requests", "new columns", text))
    return {
        **decide(overall["relative"], suspicions, vetoed, cfg),
        "findings": [*suspicions, *vetoed],
        "units": sums.units,
        "overall": overall,
        "old_requests": old,
        "slices": slice_entries(sums, watched, confidence),
        "row_differences": passed.rows.summary(),
        "columns": [one.as_dict() for one in worths],
        "unseen": unseen,
        "champion_entropy": {"then": then, "now": None if now is None else round(now, 7)},
        "training": {"champion": facts[0], "candidate": facts[1], **profiles},
        "values": {"worst": worst, "left_out": passed.values.left_out},
    }


def entropy_then(evaluation: dict[str, Any]) -> float | None:
    """The normalised entropy of a model on the test rows that it was evaluated on; None where it was undefined."""
    return evaluation.get("models", {}).get("model", {}).get("normalised_entropy", {}).get("value")


def suspicious(
    cfg: CompareConfig,
    estimate: dict[str, Any],
    worths: list[ColumnWorth],
    log_loss: float,
    facts: list[dict[str, Any]],
    profiles: dict[str, Any],
    unseen: dict[str, dict[str, float]],
    worst: list[dict[str, Any]],
    declaration: Declaration,
) -> list[findings.Finding]:
    """All findings, those about the training rows first: they are causes, the others are effects."""
    found = findings.training_findings(facts[0], facts[1], cfg) + findings.profile_findings(profiles, unseen)
    found += findings.leak_findings(worths, log_loss, estimate, cfg)
    if by_log_loss(estimate, cfg)[0] != "better":
        labels = findings.label_finding(worths, log_loss, declaration.label.name)
        explained = {name for one in found for name in one.get("columns", [])}
        creative = None if declaration.creative is None else declaration.creative.name
        lost = findings.column_findings(worths, log_loss, cfg, creative, explained)
        found += lost if labels is None else [labels]
    return found + findings.value_findings(worst)


def slice_entries(sums: PairedSums, watched: list[int], confidence: float) -> dict[str, Any]:
    """For every slice: is it watched, its gap by both models, and each value's differences."""
    entries = {}
    for place, one in enumerate(sums.slices):
        _, before, now, _ = gap_of(sums, place)
        values = [
            {"value": value, **summary(sums, group, confidence)}
            for value, group in zip(one.values, sums.groups(place), strict=True)
        ]
        gap = {"champion": round(before, 7), "candidate": round(now, 7)}
        entries[one.name] = {"watched": place in watched, "gap": gap, "values": values}
    return entries

"""Stage `compare`: the candidate beside the champion, on the same test rows, each through its own exported graphs.

Reads artifacts/export/, artifacts/reference_profile.json, champion/, data/split/, data/clean/ (images) and reports/split.json.
Writes reports/comparison.json and reports/comparison.html. The gate reads `verdict`, `passes` and `reasons` of the JSON.
"""

from __future__ import annotations

if __name__ == "__main__":  # before matplotlib is imported, and all that takes its time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from contracts.dataset.columns import COLD_START, has_cold_start
from contracts.dataset.declaration import Declaration
from stages.comparing.comparison import compare_models
from stages.comparing.config import CompareConfig, check_comparison
from stages.comparing.declarations import difference
from stages.comparing.models import ExportedModel, read_candidate, read_champion
from stages.comparing.page import page
from stages.comparing.verdict import FIRST, NOT_COMPARABLE, SAME
from stages.entry import run_stage
from stages.evaluation.config import EvaluateConfig
from stages.evaluation.slices import MAX_AUTO_SLICES, Slice, auto_slices, build_slice
from stages.files import atomic_path, write_json
from stages.settings import load_section

TRAIN_PATH, TEST_PATH = Path("data/split/train.parquet"), Path("data/split/test.parquet")
CLEAN_DIR = Path("data/clean")
COMPARISON_PATH, PAGE_PATH = Path("reports/comparison.json"), Path("reports/comparison.html")


def main() -> None:
    cfg, evaluate = load_section("compare", CompareConfig), load_section("evaluate", EvaluateConfig)
    check_comparison(cfg, load_section("data", Declaration))
    candidate, champion = read_candidate(), read_champion()
    found = decided_without_rows(cfg, champion, candidate)
    if found is None:
        names, watched = slice_names(cfg, evaluate, candidate.declaration)
        slices = [read_slice(name, candidate.declaration, evaluate.max_slice_values) for name in names]
        found = compare_models(cfg, champion, candidate, slices, watched, evaluate.confidence, TEST_PATH, CLEAN_DIR)
    found |= {"candidate": candidate.digest, "champion": None if champion is None else champion.digest}
    found["settings"] = {"confidence": evaluate.confidence, "num_resamples": cfg.num_resamples, "margin": cfg.margin}
    write_json(COMPARISON_PATH, found)
    with atomic_path(PAGE_PATH) as partial:
        partial.write_text(page(found, candidate.declaration.name), encoding="utf-8")
    print(f"compare: {summary_line(found)}; all of it in {PAGE_PATH}")


def decided_without_rows(cfg: CompareConfig, champion: ExportedModel | None, candidate: ExportedModel) -> dict[str, Any] | None:
    """The verdict where no row has to be scored: no champion, the same model, or rows that only one of the two can read."""
    if champion is None:
        return verdict_alone(cfg, FIRST, True, "there is no champion to compare it with")
    if champion.digest == candidate.digest:
        return verdict_alone(cfg, SAME, True, "the candidate is the champion")
    apart = difference(champion.declaration, candidate.declaration)
    if apart is not None:
        text = f"the champion cannot score these rows: {apart}; the declaration may gain nullable columns, and nothing else"
        return verdict_alone(cfg, NOT_COMPARABLE, False, text)
    return None


def verdict_alone(cfg: CompareConfig, verdict: str, passes: bool, reason: str) -> dict[str, Any]:
    return {"verdict": verdict, "passes": passes, "need": cfg.need, "reasons": [reason], "findings": []}


def slice_names(cfg: CompareConfig, evaluate: EvaluateConfig, declaration: Declaration) -> tuple[list[str], list[int]]:
    """Slices that are shown, and the places among them of those that may veto."""
    auto = auto_names(declaration, evaluate.max_slice_values) if "auto" in (evaluate.slices, cfg.watch) else ()
    shown = auto if evaluate.slices == "auto" else evaluate.slices
    watched = shown if cfg.watch == "auto" else cfg.watch
    names = list(dict.fromkeys([*shown, *watched]))
    return names, [place for place, name in enumerate(names) if name in watched]


def auto_names(declaration: Declaration, max_values: int) -> tuple[str, ...]:
    """As `auto_slices`, with one column in memory at a time."""
    columns = [column for column in declaration.columns if column.role == "categorical" and column.slot_of is None]
    few = [auto_slices(pl.read_parquet(TEST_PATH, columns=[column.name]), (column,), max_values) for column in columns]
    cold_start = (COLD_START,) if has_cold_start(declaration.columns) else ()
    return (*[name for names in few for name in names][:MAX_AUTO_SLICES], *cold_start)


def read_slice(name: str, declaration: Declaration, max_values: int) -> Slice:
    """The value of each test row, as evaluation cuts them; one column is in memory at a time."""
    is_cold_start = name == COLD_START and has_cold_start(declaration.columns)
    column = declaration.creative.name if is_cold_start else name
    seen = pl.read_parquet(TRAIN_PATH, columns=[column]).to_series() if is_cold_start else None
    found = build_slice(name, pl.read_parquet(TEST_PATH, columns=[column]), declaration.columns, seen, max_values)
    return replace(found, codes=found.codes.astype(np.min_scalar_type(len(found.values))))


def summary_line(found: dict[str, Any]) -> str:
    """Verdict, whether it passes, and the first reason."""
    passes = "passes" if found["passes"] else f"does not pass (compare.need: {found['need']})"
    return f"{found['verdict']}, {passes}: {found['reasons'][0]}"


if __name__ == "__main__":
    run_stage(main)

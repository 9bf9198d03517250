"""How the default model stands beside the best baseline on tables that are hard in one way each, and on real ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import yaml

from bench.figures import Figure
from bench.parts import collect
from bench.pipeline.made_up_tables import TABLES
from bench.pipeline.quality import has_source, judged, skipped
from bench.workspace import STAGES, Workspace, workspace
from stages.evaluation.shortfall import best_baseline

SEEDS = (0, 1, 2)
REAL = ("bank_marketing", "open_bandit")
MANY_ROWS, FAR = 20_000, 0.005  # with so many test rows the loss may be so much above the best baseline's, as a share of it
NUMERIC, AUC_GAP, TREES_SHINE = ("thresholds", "curves", "census"), 0.002, 0.01


def measure() -> list[Figure]:
    return collect([*(lambda name=name: real(name) for name in REAL), *(lambda name=name: made_up(name) for name in TABLES)])


def real(name: str) -> list[Figure]:
    if not has_source(name):
        return [skipped(f"`{name}`, log-loss against the best baseline", name)]
    found = []
    for seed in SEEDS:
        with workspace([f"data={name}", f"seed={seed}"]) as space:
            found.append(judged(space, STAGES))
    return [against_best(f"`{name}`", found)]


def made_up(name: str) -> list[Figure]:
    found = []
    for seed in SEEDS:
        with declared(name, seed) as space:
            found.append(judged(space, STAGES))
    rows = [against_best(f"made-up table `{name}`", found)]
    return [*rows, against_trees(name, found)] if name in NUMERIC else rows


@contextmanager
def declared(name: str, seed: int) -> Iterator[Workspace]:
    """A workspace composed for a made-up table, whose rows lie in it."""
    with workspace([]) as space:
        folder, frame = space.root / "made_up", TABLES[name].frame(seed)
        folder.mkdir()
        frame.write_csv(folder / "rows.csv")
        declaration = TABLES[name].declaration(name, str(folder), frame)
        (space.root / f"conf/data/{name}.yaml").write_text(yaml.safe_dump(declaration, sort_keys=False))
        space.compose([f"data={name}", f"seed={seed}"])
        yield space


def against_best(what: str, found: list[dict[str, Any]]) -> Figure:
    """The median over the seeds of the difference in log-loss, and whether the run of that seed bears it."""
    gaps = [gap_to_best(one) for one in found]
    share, run = sorted(zip([gap for gap, _ in gaps], found, strict=True), key=lambda pair: pair[0])[len(found) // 2]
    each = ", ".join(f"{gap:+.2%} of {rival}'s" for gap, rival in gaps)
    many = run["rows"] >= MANY_ROWS
    return Figure(
        what=f"{what}, log-loss against the best baseline, median of seeds {SEEDS}",
        figure=f"{share:+.2%}: {each}; {run['rows']:,} test rows, {run['clicks']:,} clicks",
        bar=f"not above it outside the paired interval{f', nor by more than {FAR:.1%}' if many else ''}",
        met=run["shortfall"] is None and (not many or share <= FAR),
    )


def gap_to_best(one: dict[str, Any]) -> tuple[float, str]:
    """Log-loss of the model less that of the best baseline, as a share of it; and that baseline's name."""
    name, title = best_baseline(one)
    loss, least = (one["models"][key]["log_loss"]["value"] for key in ("model", name))
    return loss / least - 1, title


def against_trees(name: str, found: list[dict[str, Any]]) -> Figure:
    """AUC less LightGBM's, on a table on which LightGBM is better than logistic regression."""
    aucs = [{key: one["models"][key]["auc"]["value"] for key in ("model", "lightgbm", "logistic")} for one in found]
    gaps = [one["model"] - one["lightgbm"] for one in aucs]
    led = median(one["lightgbm"] - one["logistic"] for one in aucs)
    if led < TREES_SHINE:
        raise ValueError(
            f"made-up table {name}: LightGBM must lead logistic regression by {TREES_SHINE} AUC, it does by {led:.4f}"
        )
    return Figure(
        what=f"the same, AUC less LightGBM's (which leads logistic regression by {led:.3f}), median",
        figure=f"{median(gaps):+.4f}: {', '.join(f'{gap:+.4f}' for gap in gaps)}",
        bar=f">= -{AUC_GAP}",
        met=median(gaps) >= -AUC_GAP,
    )

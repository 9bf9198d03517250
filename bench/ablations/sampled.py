"""Training on all clicked rows and a tenth of the others, against training on all rows of the same simulated months.

Both are evaluated through their exported graphs, on all test rows. `python -m bench.ablations.sampled`.
"""

import sys
from dataclasses import dataclass
from statistics import median

from bench.ablations.command import bench_training
from bench.figures import Compared, Figure, at_least, at_most, spread
from bench.workspace import Workspace, workspace
from stages.files import read_json

NAME = "bench-sampled"
SEEDS = (0, 1, 2)
KEPT = 0.1
BAR_SPEED, BAR_AUC, BAR_RATIO = 4.0, 0.003, 0.02


@dataclass(frozen=True, kw_only=True)
class SampledRun:
    """One training and its evaluation."""

    rows_per_s: float  # rows of the months, whether an epoch takes them or not, gone through in a second of training
    auc: float
    log_loss: float
    observed_over_predicted: float
    stage_s: float  # of stage train as a whole: imports, loading and validation after each epoch as well


def measure(rows: int, seeds: tuple[int, ...], overrides: list[str]) -> list[Figure]:
    """Both trainings for each seed, in turn."""
    size = [f"exchange.impressions_per_month={rows}", *overrides]
    with workspace(size) as space:
        space.stages("acquire", "validate", "split", "fit", "encode", "baselines")
        pairs = [tuple(trained(space, [*size, f"train.seed={seed}"], kept) for kept in (1.0, KEPT)) for seed in seeds]
    return figures([one for one, _ in pairs], [other for _, other in pairs])


def trained(space: Workspace, overrides: list[str], kept: float) -> SampledRun:
    space.compose([*overrides, f"train.keep_negatives={kept}"])
    space.remove(".checkpoints", "artifacts/model", "artifacts/export", "artifacts/repository")
    ran = space.stages("train", "export", "evaluate")
    timing, metrics = read_json(space.root / "reports/train_timing.json"), read_json(space.root / "reports/train/metrics.json")
    split, found = read_json(space.root / "reports/split.json")["train"], read_json(space.root / "reports/metrics.json")
    an_epoch = split["rows"]
    if "sampled_negatives" in metrics:
        an_epoch = metrics["sampled_negatives"]["clicks"] + metrics["sampled_negatives"]["others_an_epoch"]
    return SampledRun(
        rows_per_s=timing["rows"] / an_epoch * split["rows"] / timing["train_s"],
        stage_s=ran["train"].wall_s,
        **{key: found[key] for key in ("auc", "log_loss", "observed_over_predicted")},
    )


def figures(whole: list[SampledRun], sampled: list[SampledRun]) -> list[Figure]:
    speed = Compared(ours=tuple(one.rows_per_s for one in sampled), theirs=tuple(one.rows_per_s for one in whole))
    stages = Compared(ours=tuple(1 / one.stage_s for one in sampled), theirs=tuple(1 / one.stage_s for one in whole))
    pairs = list(zip(whole, sampled, strict=True))
    lost = [one.auc - other.auc for one, other in pairs]
    ratios = [other.observed_over_predicted - one.observed_over_predicted for one, other in pairs]
    losses = [100 * (other.log_loss / one.log_loss - 1) for one, other in pairs]
    what = f"train.keep_negatives={KEPT:g}"
    return [
        at_least(f"{what}: rows of the months a second, against all rows", speed.ratio, BAR_SPEED, speed.shown(), ">= 4x"),
        at_most(f"{what}: AUC lost", median(lost), BAR_AUC, spread(lost, "", 4), "<= 0.003"),
        at_most(
            f"{what}: observed / predicted, less that of training on all rows",
            abs(median(ratios)),
            BAR_RATIO,
            f"{spread(ratios, '', 4)}; with all rows {median(one.observed_over_predicted for one in whole):.4f}",
            "within 0.02",
        ),
        Figure(what=f"{what}: stage train as a whole, how many times as fast (epochs differ)", figure=stages.shown()),
        Figure(what=f"{what}: log-loss, against training on all rows", figure=spread(losses, "%", 2)),
        Figure(
            what="rows of the months a second", figure=f"{spread(speed.ours, 'rows/s')}, with all rows {spread(speed.theirs, '')}"
        ),
    ]


if __name__ == "__main__":
    sys.exit(bench_training(NAME, __doc__.splitlines()[0], "seeds", SEEDS, measure))

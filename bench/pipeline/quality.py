"""What the models reach: real data sets and simulated data, whole pipelines in workspaces, judged by stage evaluate."""

from statistics import median
from typing import Any

import yaml

from bench.figures import Figure, at_least, estimate
from bench.parts import collect
from bench.workspace import PROJECT, SOURCES_ENV, STAGES, Workspace, source_folder, workspace
from stages.files import read_json

BANK_SEEDS = TRAIN_SEEDS = (0, 1, 2)  # one seed alone is luck: another moves the share by more than its interval
BANK_BAR, SHARE_BAR = 0.76, 0.80
LARGE = [
    "exchange.impressions_per_month=2000000",
    "train.max_epochs=3",  # the log-loss flattens early
    "export.batch_sizes=[1024]",
    "baselines.logistic_c=[0.1]",  # the rivals are not what this run is about, and would take longer than the model
    "baselines.lightgbm_num_leaves=[15]",
    "baselines.lightgbm_max_trees=40",
]


def measure_sets() -> list[Figure]:
    return collect([bank_marketing, simulated, open_bandit])


def measure_large() -> list[Figure]:
    """The default model with ten times the impressions, and fewer epochs."""
    with workspace(LARGE) as space:
        return [
            share_row("learnable signal learnt with 10x the impressions (6 M), three epochs, one seed", judged(space, STAGES))
        ]


def bank_marketing() -> list[Figure]:
    what = "`bank_marketing`, random 70/10/20, AUC"
    if not has_source("bank_marketing"):
        return [skipped(what, "bank_marketing")]
    found = []
    for seed in BANK_SEEDS:
        with workspace(["data=bank_marketing", f"seed={seed}"]) as space:
            found.append(judged(space, STAGES))
    values = {name: [one["models"][name]["auc"]["value"] for one in found] for name in ("model", "lightgbm", "logistic")}
    intervals = ", ".join(estimate(one["models"]["model"]["auc"]) for one in found)
    rows = [
        at_least(
            f"{what}, median of seeds {BANK_SEEDS}",
            median(values["model"]),
            BANK_BAR,
            f"{median(values['model']):.3f}: {intervals}",
            ">= 0.76",
        )
    ]
    for name in ("lightgbm", "logistic"):
        rows.append(
            Figure(
                what=f"the same rows, {name}",
                figure=f"{median(values[name]):.3f}: {', '.join(f'{value:.3f}' for value in values[name])}",
            )
        )
    return rows


def simulated() -> list[Figure]:
    """The default run with several seeds of training, and the same model trained without pixels on the same rows."""
    with workspace([]) as space:
        space.stages("acquire", "validate", "split", "fit", "encode", "baselines")
        found = [trained(space, f"train.seed={seed}") for seed in TRAIN_SEEDS]
        blind = trained(space, "model.creative_dim=0")
    seen = sorted(found, key=share)[len(found) // 2]
    above = seen["differences"]["lightgbm"]["log_loss"]
    each = ", ".join(f"{share(one):.3f}" for one in found)
    return [
        at_least(
            f"learnable signal learnt, default simulated data, test month, median of seeds {TRAIN_SEEDS}",
            share(seen),
            SHARE_BAR,
            f"{shares(seen, 'model')}; each {each}",
            ">= 0.80",
        ),
        Figure(what="of it LightGBM (same columns, no pixels)", figure=shares(seen, "lightgbm")),
        Figure(
            what="log-loss of the model less LightGBM's",
            figure=estimate(above, 5),
            bar="below 0 outside its interval",
            met=above["high"] < 0,
        ),
        Figure(
            what="the same model without the creative tower",
            figure=f"{shares(blind, 'model')}, {share(seen) - share(blind):.3f} less",
            bar="measurably worse",
            met=is_worse(seen, blind),
        ),
    ]


def trained(space: Workspace, override: str) -> dict[str, Any]:
    """What evaluate finds of a model trained with `override` on what the earlier stages left."""
    space.compose([override])
    return judged(space, ("train", "export", "evaluate"))


def is_worse(seen: dict[str, Any], blind: dict[str, Any]) -> bool:
    """Do the intervals of the two shares lie apart, the blind model's below."""
    return blind["models"]["model"]["learnable_share"]["high"] < seen["models"]["model"]["learnable_share"]["low"]


def open_bandit() -> list[Figure]:
    what = "`open_bandit`, AUC of the test rows"
    if not has_source("open_bandit"):
        return [skipped(what, "open_bandit")]
    with workspace(["data=open_bandit"]) as space:
        found = judged(space, STAGES)
    shown = f"{estimate(found['models']['model']['auc'])} on {found['clicks']} clicks in {found['rows']:,} rows"
    others = ", ".join(
        f"{name} {estimate(found['models'][name]['auc'])}"
        for name in ("creative_rate", "logistic", "lightgbm")
        if name in found["models"]
    )
    return [
        Figure(what=what, figure=shown, bar="runs", met=True),
        Figure(what="the same rows, baselines", figure=others),
    ]


def judged(space: Workspace, names: tuple[str, ...]) -> dict[str, Any]:
    """Run the stages and return reports/evaluation.json."""
    space.stages(*names)
    return read_json(space.root / "reports/evaluation.json")


def share_row(what: str, found: dict[str, Any]) -> Figure:
    return at_least(what, share(found), SHARE_BAR, shares(found, "model"), ">= 0.80")


def share(found: dict[str, Any]) -> float:
    return found["models"]["model"]["learnable_share"]["value"]


def shares(found: dict[str, Any], name: str) -> str:
    """The share on the clicks that happened, and on their probabilities, which luck does not move."""
    model = found["models"][name]
    return f"{estimate(model['learnable_share'])}; by true probabilities {estimate(model['learnable_share_expected'])}"


def has_source(name: str) -> bool:
    """Is the folder there that conf/data/<name>.yaml names, or its like below ADCLICK_SOURCES."""
    declared = yaml.safe_load((PROJECT / "conf/data" / f"{name}.yaml").read_text())
    return source_folder(declared["source"]["path"]).exists()


def skipped(what: str, name: str) -> Figure:
    why = f"conf/data/{name}.yaml says where its files are published; put them where it looks, or set {SOURCES_ENV}"
    return Figure(what=what, figure=f"not measured: {why}")

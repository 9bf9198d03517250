"""Training rows a second against DeepCTR-Torch: `python -m bench.training.peers`, after `make bench-peers` has made .venv-peers.

Same rows, fields, embedding width, layers, batch, threads and number of epochs; both sides without creatives.
"""

import json
import sys
from pathlib import Path
from statistics import median

from bench.figures import Figure, at_least, in_turn, spread
from bench.parts import collect, run_parts
from bench.table import JSON_PATH, ORDER, TABLE_PATH
from bench.workspace import PROJECT, Workspace, run, workspace
from stages.files import read_json, write_json
from stages.settings import load_params

PYTHON = PROJECT / ".venv-peers" / "bin" / "python"
ROWS_PER_MONTH = 200_000
EPOCHS = 2
PAIRS = 3
BAR = 3.0
MODELS = {"dcnv2": ["model=dcnv2", "model.cross_rank=0"], "deepfm": ["model=deepfm"]}
VARIANTS = {"documented": "compiled as documented", "same_optimizer": "given our fused AdamW and matrix precision, no L2 losses"}


def measure() -> list[Figure]:
    """Two architectures, each against the peer as its documentation shows it and against the peer made faster."""
    if not PYTHON.is_file():
        raise ValueError(f"{PYTHON.relative_to(PROJECT)} is missing; run `make bench-peers`")
    with workspace([f"exchange.impressions_per_month={ROWS_PER_MONTH}"]) as space:
        space.stages("acquire", "validate", "split", "fit", "encode")
        return collect([lambda n=name, v=variant: against(space, n, v) for name in MODELS for variant in VARIANTS])


def against(space: Workspace, name: str, variant: str) -> list[Figure]:
    """The ratio, both rates, and the log-loss that both reach: it says whether the work was the same."""
    space.compose([*MODELS[name], f"train.max_epochs={EPOCHS}", "model.creative_dim=0"])
    describe(space)
    ours_loss: list[float] = []
    theirs_loss: list[float] = []
    compared = in_turn(lambda: project(space, ours_loss), lambda: peer(space, name, variant, theirs_loss), PAIRS)
    what = f"training rows/s against DeepCTR-Torch, {name}, {VARIANTS[variant]}"
    losses = f"val log-loss {median(ours_loss):.4f}, theirs {median(theirs_loss):.4f}"
    rates = f"{spread(compared.ours, 'rows/s')}, theirs {spread(compared.theirs, 'rows/s')}"
    return [
        at_least(what, compared.ratio, BAR, compared.shown(), ">= 3x"),
        Figure(what=f"{name}: ours", figure=f"{rates}; {losses}"),
    ]


def describe(space: Workspace) -> None:
    """Write what the peer's process needs to know beside the arrays."""
    params = load_params(space.root / "params.yaml")
    model, train = params["model"], params["train"]
    settings = {key: model[key] for key in ("embedding_dim", "hidden_dims", "dropout")}
    settings |= {key: train[key] for key in ("batch_size", "lr", "weight_decay")}
    settings |= {"num_cross_layers": model.get("num_cross_layers")}
    settings |= {key: params["trainer"][key] for key in ("num_threads", "matmul_precision")}
    write_json(space.root / "data/encoded/peer.json", settings)


def project(space: Workspace, losses: list[float]) -> float:
    space.remove(".checkpoints", "artifacts/model")
    space.stage("train")
    losses.append(read_json(space.root / "reports/train/metrics.json")["val/log_loss"])
    return read_json(space.root / "reports/train_timing.json")["train_rows_per_s"]


def peer(space: Workspace, name: str, variant: str, losses: list[float]) -> float:
    script = space.root / "bench/training/peer_train.py"
    ran = run([str(PYTHON), str(script), str(Path("data/encoded")), name, str(EPOCHS), variant], space.root)
    found = json.loads(ran.stdout.strip().splitlines()[-1])
    losses.append(found["val_log_loss"])
    return found["rows_per_s"]


if __name__ == "__main__":
    sys.exit(min(1, run_parts({"peers": (measure, "make bench-peers")}, ["peers"], JSON_PATH, TABLE_PATH, ORDER)))

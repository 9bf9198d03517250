"""What are histories and interest tags worth? The exchange whose users are after something (exchange=histories), and three models
of its rows: dcnv2 without these columns, dcnv2 with them, and din.
"""

if __name__ == "__main__":  # before matplotlib is imported, which Lightning does
    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from bench.ablations.command import bench_training
from bench.ablations.losses import loss_figures
from bench.figures import Figure
from bench.workspace import Workspace, workspace
from stages.models.encoded_arrays import load_creatives, load_spec, load_split
from stages.models.few_clicks import val_logits
from stages.models.model_folder import load_model
from stages.models.training import channels_last

NAME = "bench-histories"
WORLDS = (2026, 7)  # seeds of the exchange
BASE = "dcnv2 without histories and tags"


@dataclass(frozen=True, kw_only=True)
class HistoryModel:
    """A model that is trained."""

    name: str
    model: str
    sees_lists: bool


ASKED = (
    HistoryModel(name=BASE, model="dcnv2", sees_lists=False),
    HistoryModel(name="dcnv2 with them, their mean", model="dcnv2", sees_lists=True),
    HistoryModel(name="din with them", model="din", sees_lists=True),
)


def measure(rows: int, seeds: tuple[int, ...], overrides: list[str]) -> list[Figure]:
    """A row for each model, over worlds of these seeds. Prints every model as it is judged."""
    found: list[Figure] = []
    for seed in seeds:
        world = ["data=simulated_histories", "exchange=histories", f"exchange.seed={seed}"]
        world += [f"exchange.impressions_per_month={rows}", *overrides]
        with workspace([*world, "model=din"]) as space:
            space.stages("acquire", "validate", "split")
            losses = {}
            for asked in ASKED:
                space.compose([*world, f"model={asked.model}"])
                if not asked.sees_lists:
                    leave_lists_out(space.root)
                losses[asked.name] = row_losses(space)
                print(f"bench:   world {seed}, {asked.name}: {losses[asked.name].mean():.5f}", file=sys.stderr, flush=True)
            users = pl.read_parquet(space.root / "data/split/test.parquet", columns=["user_id"])["user_id"]
            found += loss_figures(f"world {seed}", losses, users, better=ASKED[-1].name)
    return found


def leave_lists_out(root: Path) -> None:
    """Have the declaration of later stages without its columns of several values."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    columns = params["data"]["columns"]
    params["data"]["columns"] = [column for column in columns if column["role"] not in ("set", "sequence")]
    path.write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True))


def row_losses(space: Workspace) -> np.ndarray:
    """Log-loss of each test row, float64 [N], of a model that is trained anew."""
    space.remove("artifacts", ".checkpoints", "data/encoded")
    space.stages("inherit", "fit", "encode", "train")
    encoded = space.root / "data/encoded"
    spec = load_spec(encoded)
    test, images = load_split(encoded, "test", spec), load_creatives(encoded, spec)
    logit_N = val_logits(load_model(space.root / "artifacts/model"), test, None if images is None else channels_last(images))
    sign_N = np.where(test.label_N == 1, -1.0, 1.0)
    return np.logaddexp(0.0, sign_N * logit_N.astype(np.float64))


if __name__ == "__main__":
    sys.exit(bench_training(NAME, __doc__.splitlines()[0], "worlds", WORLDS, measure))

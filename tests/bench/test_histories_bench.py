"""What the bench of histories says of losses."""

import numpy as np
import polars as pl
import yaml

from bench.ablations.histories import ASKED, BASE, leave_lists_out
from bench.ablations.losses import loss_figures
from bench.ablations.overflow import ASKED as HASHED
from tests.stages.pipeline_world import composed


def test_a_difference_counts_only_outside_its_interval_over_users():
    rng = np.random.default_rng(3)
    users = pl.Series([f"u{i}" for i in rng.integers(0, 200, 4000)])
    base = rng.random(4000)
    losses = {one.name: base - (0.05 * rng.random(4000) if one.model == "din" else 0.0) for one in ASKED}
    first, mean, din = loss_figures("world 1", losses, users, better=ASKED[-1].name)
    assert first.figure == f"log-loss {base.mean():.5f}" and "0.00000 [" in mean.figure
    assert (mean.met, din.met) == (None, True) and "-0.025" in din.figure
    noisy = {one.name: base + rng.normal(0, 1, 4000) * (one.name != BASE) for one in ASKED}
    assert loss_figures("world 1", noisy, users, better=ASKED[-1].name)[2].met is False


def test_the_base_does_not_see_the_columns(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(composed("data=simulated_histories", "exchange=histories")))
    leave_lists_out(tmp_path)
    names = [column["name"] for column in yaml.safe_load(path.read_text())["data"]["columns"]]
    assert names == [column["name"] for column in composed()["data"]["columns"]]


def test_every_way_to_hash_is_one_that_the_configuration_takes():
    found = {name: composed(*asked)["features"] for name, asked in HASHED.items()}
    assert [(one["overflow"], one["overflow_columns"]) for one in found.values()] == [
        ("unknown", None), ("hash", ["user_id"]), ("hash", None),
    ]  # fmt: skip

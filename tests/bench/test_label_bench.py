"""What the bench of labels plants is what it says, and the monitor's looks at a month count rows and days rightly."""

import numpy as np
import polars as pl
import pytest

from bench.monitor.changes import more_clicks, noisy, wrong_creatives
from bench.monitor.labels import PLANTS, LabelRuns, run_of
from bench.monitor.months import exchange, simulated_month
from bench.monitor.watched import labelled, promise_of, vocabulary
from contracts.lifecycle.monitor import MonitorConfig
from contracts.params import read_section
from lifecycle.monitor.quality.statistics.figures import row_loss
from stages.simulate.config import ExchangeConfig

ROWS = 60_000


def world():
    return exchange(read_section("exchange", ExchangeConfig), 3)


def rows_of_a_month() -> tuple[pl.DataFrame, pl.DataFrame]:
    ids = vocabulary(simulated_month(world(), "2026-07", ROWS, 1))
    return labelled(simulated_month(world(), "2026-08", ROWS, 2), ids), ids


def test_more_clicks_are_as_many_more_as_is_said():
    rows, _ = rows_of_a_month()
    changed = more_clicks(1.5, since=20_000)(rows, np.random.default_rng(1))
    expected = rows["p_true"][:20_000].sum(), 1.5 * rows["p_true"][20_000:].sum()
    assert changed["clicked"][:20_000].sum() == pytest.approx(expected[0], abs=4 * expected[0] ** 0.5)
    assert changed["clicked"][20_000:].sum() == pytest.approx(expected[1], abs=4 * expected[1] ** 0.5)
    assert changed["p"].equals(rows["p"])


def test_noise_raises_the_log_loss_as_said_and_leaves_the_mean():
    rows, _ = rows_of_a_month()
    changed = noisy(0.1)(rows, np.random.default_rng(1))
    truth, before, after = (frame[name].to_numpy() for frame, name in ((rows, "p_true"), (rows, "p"), (changed, "p")))
    losses = [
        float((truth * row_loss(np.ones(ROWS), p) + (1 - truth) * row_loss(np.zeros(ROWS), p)).mean()) for p in (before, after)
    ]
    assert losses[1] / losses[0] == pytest.approx(1.1, abs=0.003)
    assert after.mean() == pytest.approx(before.mean(), rel=1e-3)


def test_errors_of_creatives_are_one_for_each():
    rows, _ = rows_of_a_month()
    changed = wrong_creatives(rows, 0.2, 5)
    odds = (changed["p"] / (1 - changed["p"])) / (rows["p"] / (1 - rows["p"]))
    by = (
        pl.DataFrame({"creative": rows["creative"], "off": odds.log()})
        .group_by("creative")
        .agg(pl.col("off").std(), mean=pl.col("off").mean())
    )
    assert by["off"].fill_null(0).max() < 1e-5 and by["mean"].std() == pytest.approx(0.2, rel=0.15)


def test_the_promise_of_a_month_adds_up():
    rows, ids = rows_of_a_month()
    promised = promise_of(rows, ids)
    assert promised.total.rows == ROWS and promised.total.clicks == pytest.approx(rows["clicked"].sum())
    assert sum(one.rows for one in promised.strata.values()) == ROWS
    assert sum(one.clicks for one in promised.slices["device"].values()) == pytest.approx(rows["clicked"].sum())
    assert min(one.ids[0] for one in promised.strata.values() if one.ids) == 2


@pytest.mark.slow
def test_planted_changes_are_found_and_a_month_without_is_quiet():
    runs, config = LabelRuns(), read_section("monitor", MonitorConfig).quality
    for change, kinds in PLANTS.values():
        found = run_of(world(), 1, config, runs, change).first(kinds)
        assert found is not None and found <= runs.within
    assert run_of(world(), 1, config, runs).worst() == "ok"

"""What our monitor says at one look at a window, of a release that was trained on the rows of another."""

import numpy as np
import polars as pl

from bench.monitor.reference import profile_of, vocabulary_of, with_ids
from bench.monitor.scenes import WITH_IDS
from contracts.dataset.declaration import Declaration
from contracts.lifecycle.monitor import MonitorConfig
from contracts.params import read_section
from lifecycle.monitor.counts.counting import count_rows
from lifecycle.monitor.counts.panel import panel_of
from lifecycle.monitor.counts.plan import plan_of
from lifecycle.monitor.inputs.kinds import named
from lifecycle.monitor.inputs.verdicts import hits_at
from stages.settings import load_section


def named_columns(reference: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """Column and kind of each warning, as "user_age missing"; both as `simulated_month` gives them, in order of time."""
    declaration, config = load_section("data", Declaration), read_section("monitor", MonitorConfig).inputs
    served = with_ids(rows, {name: vocabulary_of(reference[name]) for name in WITH_IDS})
    plan = plan_of(declaration, profile_of(reference, declaration), served.columns)
    panel = panel_of(count_rows(served, plan, config.block_rows), plan)
    hits = hits_at(panel, np.array([len(panel.hour_U)]), config)
    return [f"{one.hit.column} {one.kind}" for one in named(hits, panel) if one.hit.verdict != "watch"]

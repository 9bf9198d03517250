"""The sums of a rollout's rows at every look: all that its verdicts are made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from contracts.lifecycle.rollout import RolloutConfig
from lifecycle.rollout.pairs import ROLE_CHALLENGER, SLICE
from lifecycle.rollout.statistics.cells import CellRows, Table, counted, summed
from lifecycle.rollout.statistics.running import Entered

P_MIN = 1e-7  # predictions are kept this far from 0 and 1
TOGETHER = (("w", "h", "c"), ("q", "p", "y"))  # variables of one figure: of log-loss, of calibration
CANARY, SHADOW, SLICES = "canary", "shadow", "slice"
MISSING = "(missing)"
DAY = pl.col("answered_at").dt.date()


@dataclass(frozen=True, kw_only=True)
class EvidenceLooks:
    """`tables`: by `canary`, `shadow`, `slice/<place>/<column>=<value>`. Looks: rows there, and answer time of the last of
    them.
    """

    tables: Mapping[str, Table]
    rows_L: np.ndarray
    until_ns_L: np.ndarray
    ends_day_L: np.ndarray  # bool


def looked_at(pairs: pl.DataFrame, shadow_steps: frozenset[int], config: RolloutConfig) -> EvidenceLooks:
    """Every look_rows rows, and at the end of each day. `pairs` are sorted by their answers, of whole days."""
    entered, ends_day_L = looks_of(pairs, config.look_rows)
    last_L = np.searchsorted(entered.look_N, np.arange(entered.num_looks), side="right") - 1
    until_ns_L = pairs["answered_at"].dt.epoch("ns").to_numpy()[last_L]
    rows, variables = cell_rows(pairs), variables_of(pairs)
    in_shadow_N = np.isin(pairs["step"].to_numpy(), sorted(shadow_steps))
    tables = {
        name: table_of(rows, variables, entered, here_N, TOGETHER)
        for name, here_N in ((SHADOW, in_shadow_N), (CANARY, ~in_shadow_N))
    }
    beyond_N = variables["h"] - (1 + config.slice_margin) * variables["c"]
    for name, here_N in slices_of(pairs, ~in_shadow_N):
        tables[name] = table_of(rows, {"w": variables["w"], "z": beyond_N}, entered, here_N) | {
            f"{arm}/c": entered.sums(np.where(here_N & of_arm, rows.weight_N * variables["c"], 0.0))
            for arm, of_arm in (("challenger", rows.is_challenger_N), ("champion", ~rows.is_challenger_N))
        }
    return EvidenceLooks(tables=tables, rows_L=last_L + 1, until_ns_L=until_ns_L, ends_day_L=ends_day_L)


def looks_of(pairs: pl.DataFrame, look_rows: int) -> tuple[Entered, np.ndarray]:
    """The look of each row; which looks end a day."""
    number = pairs.height
    days_N = pairs.select(DAY)["answered_at"].to_physical().to_numpy()
    day_ends = np.append(np.flatnonzero(np.diff(days_N)) + 1, number)
    ends = np.unique(np.concatenate([np.arange(look_rows, number + 1, look_rows), day_ends]))
    look_N = np.searchsorted(ends, np.arange(number), side="right")
    return Entered(look_N=look_N, num_looks=len(ends)), np.isin(ends, day_ends)


def table_of(
    rows: CellRows,
    variables: Mapping[str, np.ndarray],
    entered: Entered,
    chosen_N: np.ndarray,
    groups: Sequence[Sequence[str]] | None = None,
) -> Table:
    here, kept = Entered(look_N=entered.look_N[chosen_N], num_looks=entered.num_looks), rows.of(chosen_N)
    return counted(kept, here) | summed(kept, here, {name: value_N[chosen_N] for name, value_N in variables.items()}, groups)


def cell_rows(pairs: pl.DataFrame) -> CellRows:
    creative = pairs["creative"]
    user_N, day_N = (
        pairs["key"].rank("dense").to_numpy().astype(np.int64),
        pairs.select(DAY)["answered_at"].to_physical().to_numpy(),
    )
    return CellRows(
        is_challenger_N=pairs["arm"].to_numpy() == ROLE_CHALLENGER,
        weight_N=pairs["weight"].to_numpy(),
        user_N=user_N,
        unit_N=user_N * (int(day_N.max()) + 1) + day_N,
        clicked_N=pairs["clicked"].to_numpy().astype(np.float64),
        creative_N=None if creative.null_count() == len(creative) else creative.fill_null(MISSING).rank("dense").to_numpy(),
    )


def variables_of(pairs: pl.DataFrame) -> dict[str, np.ndarray]:
    """w: one; h and c: log-loss of challenger and champion in nats; q and p: their predictions; y: the click."""
    clicked = pairs["clicked"].to_numpy()
    found = {"w": np.ones(pairs.height), "y": clicked.astype(np.float64)}
    for loss, probability, name in (("h", "q", "challenger"), ("c", "p", "champion")):
        p_N = np.clip(pairs[name].to_numpy(), P_MIN, 1 - P_MIN)
        found |= {loss: -np.log(np.where(clicked > 0, p_N, 1 - p_N)), probability: p_N}
    return found


def slices_of(pairs: pl.DataFrame, chosen_N: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Name and rows of each value of the watched columns, those first that were seen first."""
    found = []
    for column in (name for name in pairs.columns if name.startswith(SLICE)):
        codes = pairs[column].fill_null(MISSING)
        values = codes.unique(maintain_order=True)
        code_N = codes.replace_strict(values, np.arange(len(values)), return_dtype=pl.Int64).to_numpy()
        firsts, places = np.unique(np.where(chosen_N, code_N, -1), return_index=True)
        found += [
            (int(place), f"{column.removeprefix(SLICE)}={values[int(code)]}", chosen_N & (code_N == code))
            for code, place in zip(firsts, places, strict=True)
            if code >= 0
        ]
    for number, (_, name, here_N) in enumerate(sorted(found, key=lambda one: one[:2])):
        yield f"{SLICES}/{number}/{name}", here_N

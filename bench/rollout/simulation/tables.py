"""The sums of a simulated rollout at every look, as `lifecycle.rollout.statistics.sums` has them, by its kernels.

Products that no figure needs are left out, and rows of one cluster between two looks are added up before.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.rollout.simulation.layout import Layout, LayoutPart
from lifecycle.rollout.statistics.cells import ARMS, CHALLENGER, CHAMPION, Table, product_name
from lifecycle.rollout.statistics.sums import CANARY, P_MIN, SHADOW, SLICES

LOSSES, CLICKS, EXCESS = ("w", "h", "c"), ("q", "p", "y"), ("w", "z")  # variables whose products some figure needs


@dataclass(frozen=True, kw_only=True)
class JudgedRows:
    """What the models said of the rows that were shown, and what came of it."""

    is_challenger_N: np.ndarray  # arm
    champion_N: np.ndarray  # probability
    challenger_N: np.ndarray
    clicked_N: np.ndarray  # bool


def tables_of(layout: Layout, rows: JudgedRows, names: Mapping[str, tuple[str, ...]], slice_margin: float) -> dict[str, Table]:
    """`names`: of the codes of each watched column."""
    values = variables(rows)
    beyond = {"w": values["w"], "z": values["h"] - (1 + slice_margin) * values["c"], "c": values["c"]}
    tables = {CANARY: _table(layout.canary, rows, values, (LOSSES, CLICKS))}
    if layout.shadow is not None:
        tables[SHADOW] = _table(layout.shadow, rows, values, (LOSSES,))
    else:
        tables[SHADOW] = {name: np.zeros_like(value) for name, value in tables[CANARY].items()}
    found = []
    for column, part in layout.slices.items():
        table = _table(part, rows, beyond, (EXCESS,))
        for code in np.flatnonzero(part.firsts_V >= 0).tolist():
            of_value = {name: _of_value(value, code, part.num_values) for name, value in table.items()}
            found.append((int(part.firsts_V[code]), f"{column}={names[column][code]}", of_value))
    for number, (_, name, table) in enumerate(sorted(found, key=lambda one: one[:2])):
        tables[f"{SLICES}/{number}/{name}"] = table
    return tables


def variables(rows: JudgedRows) -> dict[str, np.ndarray]:
    """As `variables_of` of the statistics."""
    found = {"w": np.ones(len(rows.clicked_N)), "y": rows.clicked_N.astype(np.float64)}
    for loss, p_N, name in (("h", rows.challenger_N, "q"), ("c", rows.champion_N, "p")):
        clipped_N = np.clip(p_N, P_MIN, 1 - P_MIN)
        found |= {loss: -np.log(np.where(rows.clicked_N, clipped_N, 1 - clipped_N)), name: clipped_N}
    return found


def _table(part: LayoutPart, rows: JudgedRows, values: Mapping[str, np.ndarray], groups: tuple[tuple[str, ...], ...]) -> Table:
    """Of the part's rows; sums of the variables, and of their products within a group."""
    is_ours_N, clicked_N = rows.is_challenger_N[part.chosen], rows.clicked_N[part.chosen]
    arms = {CHAMPION: ~is_ours_N, CHALLENGER: is_ours_N}
    found: Table = {}
    for arm, here_N in arms.items():
        here = here_N.astype(np.float64)
        found |= {
            f"{arm}/rows": part.entered.sums(here),
            f"{arm}/units": part.entered.sums(here * part.first_N),
            f"{arm}/clicks": part.entered.sums(here * clicked_N),
        }
    split = {
        (arm, name): np.where(here_N, value_N[part.chosen], 0.0)
        for arm, here_N in arms.items()
        for name, value_N in values.items()
    }
    found |= {f"{arm}/{name}": part.entered.sums(value_N) for (arm, name), value_N in split.items()}
    for by, runs in part.runs.items():
        for group in groups:
            keys = [(arm, name) for arm in ARMS for name in group]
            ordered = {key: runs.clusters.sorted(runs.added(split[key])) for key in keys}
            for place, left in enumerate(keys):
                for right in keys[place:]:
                    found[product_name(by, left, right)] = runs.clusters.products(ordered[left], ordered[right])
    return found


def _of_value(value_VL: np.ndarray, code: int, num_values: int) -> np.ndarray:
    """The looks of one value, of sums that go on from value to value."""
    by_value = value_VL.reshape(num_values, -1)
    return by_value[code] - (by_value[code - 1, -1] if code else 0.0)

"""Which of the tests of a look are findings: a material effect that is beyond chance at the error that this look may spend."""

from dataclasses import dataclass

import numpy as np

from contracts.lifecycle.monitor import InputsConfig
from lifecycle.monitor.counts.panel import Panel
from lifecycle.monitor.findings import Verdict
from lifecycle.monitor.inputs.chance import HOURS_OF_MONTH, holm
from lifecycle.monitor.inputs.comparisons import CellTests, column_tests
from lifecycle.monitor.inputs.renamed import new_id_tests
from lifecycle.monitor.inputs.windows import spans_of


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A cell of a column that differs at a look."""

    column: str
    test: str
    cell: int
    verdict: Verdict
    look: int
    window: str
    start: int  # units
    end: int
    share: float
    expected: float
    size: float
    p_value: float
    level: float


def hits_at(panel: Panel, end_T: np.ndarray, config: InputsConfig, least: float | None = None) -> list[Hit]:
    """What is found at looks after `end_T` units.

    The error of a month is spent evenly over its hours, each of which is a look (Bonferroni), and at a look by Holm over columns,
    cells and windows. Effects from `least` on are given, if that is less than a warning's.
    """
    smallest = config.warning_effect if least is None else least
    spans = spans_of(panel.hour_U, panel.rows_U, end_T, config.windows_rows, config.windows_h)
    found = [tests for column in panel.plan.columns for tests in column_tests(panel, column, spans, config, smallest)]
    found += new_id_tests(panel, spans, config, smallest)
    total = sum(tests.tests for tests in found)
    looks_a_month = max(HOURS_OF_MONTH, int(len(panel.hour_U) / max(np.ptp(panel.hour_U) + 1, 1) * HOURS_OF_MONTH))
    hits: list[Hit] = []
    look = np.concatenate([tests.look for tests in found]) if found else np.zeros(0, int)
    which = np.repeat(np.arange(len(found)), [len(tests.look) for tests in found])
    place = np.concatenate([np.arange(len(tests.look)) for tests in found]) if found else look
    p_value = np.concatenate([tests.p_value for tests in found]) if found else np.zeros(0)
    low = np.flatnonzero(p_value <= config.warning_error / looks_a_month)
    for one in np.unique(look[low]):
        chosen = low[look[low] == one]
        hits += _hits_of_look(found, which[chosen], place[chosen], total, looks_a_month, config)
    return hits


def _hits_of_look(
    found: list[CellTests], which: np.ndarray, place: np.ndarray, total: int, looks: int, config: InputsConfig
) -> list[Hit]:
    p_value = np.array([found[w].p_value[i] for w, i in zip(which, place, strict=True)])
    effect = np.array([abs(found[w].share[i] - found[w].expected[i]) for w, i in zip(which, place, strict=True)])
    warned = holm(p_value, config.warning_error / looks, total)
    paged = holm(p_value, config.page_error / looks, total) & (effect >= config.page_effect)
    hits = []
    for number in np.flatnonzero(warned):
        tests, i = found[which[number]], place[number]
        look = int(tests.look[i])
        hits.append(
            Hit(
                column=tests.column, test=tests.test, cell=int(tests.cell[i]), 
                verdict=_verdict(bool(paged[number]), float(effect[number]), config),
                look=look, window=tests.spans.name, start=int(tests.spans.start_T[look]), end=int(tests.spans.end_T[look]),
                share=float(tests.share[i]), expected=float(tests.expected[i]), size=float(tests.size[i]),
                p_value=float(tests.p_value[i]), level=config.warning_error / looks / total,
            )
        )  # fmt: skip
    return hits


def _verdict(is_page: bool, effect: float, config: InputsConfig) -> Verdict:
    if is_page:
        return "page"
    return "warning" if effect >= config.warning_effect else "watch"

"""Ids of creatives that never came before, more at once than new creatives would bring: known ones that are written otherwise.

Creatives come and go, and a campaign of a few may take much of the traffic at once. Of a renaming it can be told by how many
there are: rows of new creatives have few different ones, and rows that are renamed as many as all rows have.
Shape letters: T looks, R runs of one creative in one unit, I creatives, U units.
"""

import numpy as np

from contracts.lifecycle.monitor import InputsConfig
from lifecycle.monitor.counts.ids import SeenIds
from lifecycle.monitor.counts.panel import Panel
from lifecycle.monitor.counts.plan import UNKNOWN
from lifecycle.monitor.inputs.chance import tails
from lifecycle.monitor.inputs.comparisons import CellTests
from lifecycle.monitor.inputs.windows import Spans

NEW = "new ids"
LAUNCH = 0.5  # new creatives are at most so many of those that as many rows have else

SHOWN = 10


class NewIds:
    """Ids that were first seen in a window, against what may be new in it."""

    def __init__(self, ids: SeenIds, rows_U: np.ndarray, new_rate: float, config: InputsConfig) -> None:
        size = len(rows_U)
        self._ids, self._new_rate = ids, new_rate
        self._begin_U = np.searchsorted(ids.unit_R, np.arange(size + 1))
        self._is_new_R = ids.is_unknown_I[ids.id_R]
        self._rows = _total(np.bincount(ids.unit_R, ids.rows_R, minlength=size))
        self._seen = _total(np.bincount(ids.first_I[ids.is_unknown_I], minlength=size))
        self._alone = _total(self._seen_once(size))
        self._judged = _total(np.where(np.diff(self._rows) > 0, rows_U, 0))  # what was counted before ids were is no history
        self._history = int(np.searchsorted(self._judged, config.history_rows))
        self._least = config.warning_effect

    def _seen_once(self, size: int) -> np.ndarray:
        """Of each unit, how many more of the unknown ids have one row alone since the first unit."""
        ids = self._ids
        order = np.lexsort((ids.unit_R, ids.id_R))
        order = order[self._is_new_R[order]]
        place = np.arange(len(order)) - np.searchsorted(ids.id_R[order], ids.id_R[order])
        once_I = np.zeros(len(ids.first_I), dtype=bool)
        first = order[place == 0]
        once_I[ids.id_R[first]] = ids.rows_R[first] == 1
        second = order[place == 1]
        more_U = np.bincount(ids.unit_R[first[ids.rows_R[first] == 1]], minlength=size)
        return more_U - np.bincount(ids.unit_R[second[once_I[ids.id_R[second]]]], minlength=size)

    def against(self, start: int, end: int, days: float) -> tuple[float, float, float] | None:
        """How many are new, how many at most may be, and how many creatives as many rows have else; None if it cannot be said."""
        ids, rows = self._ids, float(self._rows[end] - self._rows[start])
        if start < max(self._history, 1) or rows <= 0:
            return None
        window = slice(self._begin_U[start], self._begin_U[end])
        is_new_R = self._is_new_R[window] & (ids.first_I[ids.id_R[window]] >= start)
        new_rows, may_be = float(ids.rows_R[window][is_new_R].sum()), min(self._new_rate * days, 1.0) * rows
        from_unit = max(int(np.searchsorted(self._rows, self._rows[start] - rows, side="right")) - 1, 0)
        before = slice(self._begin_U[from_unit], self._begin_U[start])
        before_I = np.bincount(ids.id_R[before], ids.rows_R[before])
        if new_rows > before_I.sum():
            return None
        tail = max(rows * self._rate_of_tail(start), _different(before_I, min(may_be, new_rows)))
        if new_rows - max(tail, may_be) < self._least * rows:
            return None
        new = float(self._seen[end] - self._seen[start])
        most = LAUNCH * _different(before_I, new_rows - min(may_be, new_rows)) + tail
        return new, most, float((before_I > 0).sum())

    def _rate_of_tail(self, start: int) -> float:
        """Ids that are new by chance, a row: as I. J. Good estimates from those seen once (The population frequencies of species
        and the estimation of population parameters, Biometrika 40, 1953), and at least as it was so far."""
        so_far = self._seen[start] - self._seen[self._history]
        since = self._rows[start] - self._rows[self._history]
        return max(float(self._alone[start]) / float(self._rows[start]), float(so_far) / float(since) if since > 0 else 0.0)


def _total(values_U: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(values_U)])


def _different(rows_I: np.ndarray, drawn: float) -> float:
    """How many different ones are among so many of the rows, in the mean (S. H. Hurlbert, The nonconcept of species diversity,
    Ecology 52, 1971)."""
    share = drawn / max(rows_I.sum(), 1)
    return float((1 - (1 - min(share, 1.0)) ** rows_I).sum())


def new_id_tests(panel: Panel, spans: list[Spans], config: InputsConfig, least: float) -> list[CellTests]:
    """A test for each kind of window; shares are those of as many creatives as so many rows have else, and so is the size.

    The number of different creatives among rows varies less than a binomial one of the same mean (W. Hoeffding, On the
    distribution of the number of successes in independent trials, Annals of Mathematical Statistics 27, 1956).
    """
    column = next((column for column in panel.plan.columns if column.role == "creative"), None)
    if column is None or panel.ids is None:
        return []
    new_ids = NewIds(panel.ids, panel.rows_U, float(column.facts.get("new_rate") or 0.0), config)
    return [_tests_of(new_ids, panel, column.name, one, least) for one in spans]


def _tests_of(new_ids: NewIds, panel: Panel, name: str, spans: Spans, least: float) -> CellTests:
    look, share, expected, size = list[int](), list[float](), list[float](), list[float]()
    for number in np.flatnonzero(spans.is_there_T):
        start, end = int(spans.start_T[number]), int(spans.end_T[number])
        days = float(panel.hour_U[end - 1] - panel.hour_U[start] + 1) / 24
        found = new_ids.against(start, end, days)
        if found is None:
            continue
        new, most, usual = found
        if min(new / usual, 1.0) - most / usual >= least:
            look.append(int(number))
            share.append(min(new / usual, 1.0))
            expected.append(most / usual)
            size.append(usual)
    share_F, expected_F, size_F = np.array(share), np.array(expected), np.array(size)
    return CellTests(
        column=name, test=NEW, spans=spans, tests=1, look=np.array(look, dtype=int), cell=np.full(len(look), UNKNOWN),
        share=share_F, expected=expected_F, size=size_F, p_value=tails(share_F, expected_F, size_F),
    )  # fmt: skip


def names_of_new(panel: Panel, start: int, end: int) -> list[str]:
    """Ten of the unknown ids that a window was the first to have, of middling frequency: a campaign has the frequent ones."""
    ids = panel.ids
    if ids is None:
        return []
    window = slice(*np.searchsorted(ids.unit_R, [start, end]))
    rows_I = np.bincount(ids.id_R[window], ids.rows_R[window], minlength=len(ids.first_I))
    rows_I[(ids.first_I < start) | ~ids.is_unknown_I] = 0
    order = np.argsort(-rows_I, kind="stable")[: np.count_nonzero(rows_I)]
    first = max(len(order) // 2 - SHOWN // 2, 0)
    return [ids.name_I[int(place)] for place in order[first : first + SHOWN]]

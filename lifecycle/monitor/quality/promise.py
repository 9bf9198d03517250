"""What `evaluate` promised of a release, and what that means for rows that are mixed otherwise.

Creatives come and go, and new ones are harder to predict. So the promise of each stratum (creatives by how many training rows
they have, and unknown ones) counts by the share that the stratum has in the rows themselves: direct standardisation.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

KNOWN, UNKNOWN, MISSING = "known", "unknown", "missing"
TOTAL = ""  # stratum of rows about which nothing more is promised


@dataclass(frozen=True, kw_only=True)
class PromisedRows:
    """What the evaluation found on some rows, a row."""

    rows: float
    clicks: float
    observed: float  # click rate
    predicted: float  # mean prediction
    log_loss: float
    expected_loss: float | None = None  # log-loss that the predictions expect of themselves
    ids: tuple[int, int] | None = None  # of the stratum's creatives in the release's vocabulary: first and last

    @property
    def ratio(self) -> float:
        """Clicks by predictions. Rows without a click promise half a one: of none, one would be infinitely many."""
        return max(self.observed, 0.5 / self.rows) / self.predicted if self.predicted > 0 else 1.0

    @property
    def excess(self) -> float:
        """Log-loss by what the predictions expect; NaN where that was not written down."""
        return self.log_loss / self.expected_loss if self.expected_loss else math.nan


@dataclass(frozen=True, kw_only=True)
class Promised:
    total: PromisedRows
    is_told: bool = True  # did anybody evaluate the release; if not, its predictions are taken at their word
    normalised_entropy: float | None = None
    auc: float | None = None
    strata: Mapping[str, PromisedRows] = field(default_factory=dict)
    slices: Mapping[str, Mapping[str, PromisedRows]] = field(default_factory=dict)


def read_promised(values: Mapping[str, Any]) -> Promised:
    """Of a promise's JSON values. `observed` and `predicted` may be rates or sums over the rows."""
    return Promised(
        total=_rows_of(values),
        normalised_entropy=values.get("normalised_entropy"),
        auc=values.get("auc"),
        strata={name: _rows_of(one) for name, one in (values.get("creative_age") or {}).items() if _is_told(one)},
        slices={
            column: {value: _rows_of(one) for value, one in found.items() if _is_told(one)}
            for column, found in (values.get("slices") or {}).items()
        },
    )


def _is_told(values: Mapping[str, Any]) -> bool:
    numbers = {name: values.get(name) for name in ("rows", "observed", "predicted", "log_loss")}
    is_whole = all(isinstance(number, int | float) and math.isfinite(number) for number in numbers.values())
    return is_whole and values["rows"] > 0 and values["predicted"] > 0


def _rows_of(values: Mapping[str, Any]) -> PromisedRows:
    rows = float(values["rows"])
    by = rows if max(values["observed"], values["predicted"]) > 1 else 1.0
    observed, ids = values["observed"] / by, values.get("ids")
    return PromisedRows(
        rows=rows,
        clicks=observed * rows,
        observed=observed,
        predicted=values["predicted"] / by,
        log_loss=values["log_loss"],
        expected_loss=values.get("expected_log_loss"),
        ids=None if ids is None else (int(ids[0]), int(ids[1])),
    )


def own_word() -> Promised:
    """The promise of a release of which nothing was written down: that its predictions are what they say."""
    nothing = PromisedRows(rows=math.inf, clicks=math.inf, observed=1.0, predicted=1.0, log_loss=1.0, expected_loss=1.0)
    return Promised(total=nothing, is_told=False)


def stratum_of(ids_N: np.ndarray, promised: Promised) -> np.ndarray:
    """The stratum of each row by its creative's id in the vocabulary (0: unknown, 1: missing, then the most frequent first)."""
    names = np.full(len(ids_N), TOTAL, dtype=object)
    for name, here_N in ((KNOWN, ids_N >= 2), (UNKNOWN, ids_N == 0), (MISSING, ids_N == 1)):
        if name in promised.strata:
            names[here_N] = name
    for name, one in promised.strata.items():
        if one.ids is not None:
            names[(ids_N >= one.ids[0]) & (ids_N <= one.ids[1])] = name
    return names


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What the promise means for some rows, mixed as they are."""

    clicks: float  # that their predictions mean, at the promised calibration
    given: float  # clicks of the evaluation that this rests on, in effect
    log_loss: float  # a row
    excess: float  # log-loss by what the predictions expect of themselves
    rate: float  # click rate of the evaluation's rows, mixed so
    rows: float  # of the evaluation, in effect


def expectation(promised: Promised, stratum_N: np.ndarray, p_N: np.ndarray, own_loss_N: np.ndarray) -> Expectation:
    """`own_loss_N`: what each row's prediction expects of its log-loss."""
    clicks = noise = loss = own = excess = rate = weighed = 0.0
    for name in sorted(set(stratum_N.tolist())):
        here, one = stratum_N == name, promised.strata.get(name, promised.total)
        share, predicted, expected = float(here.mean()), float(p_N[here].sum()), float(own_loss_N[here].sum())
        clicks += predicted * one.ratio
        noise += (predicted * one.ratio) ** 2 / max(one.clicks, 0.5)
        loss, rate = loss + share * one.log_loss, rate + share * one.observed
        own, excess = own + expected, excess + expected * one.excess
        weighed += share**2 / one.rows
    return Expectation(
        clicks=clicks,
        given=clicks**2 / noise if noise > 0 else math.inf,
        log_loss=loss,
        excess=excess / own if own > 0 else 1.0,
        rate=rate,
        rows=1 / weighed if weighed > 0 else math.inf,
    )

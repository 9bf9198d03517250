"""Everything `evaluate` says about predictions, from plain arrays: metrics, differences and slices with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.evaluation.bootstrap import Resampler
from stages.evaluation.calibration import ece_noise_floor
from stages.evaluation.intervals import (
    Estimate,
    Evidence,
    auc_estimate,
    ece_estimate,
    evidence,
    from_replicates,
    ratio_estimate,
    wilson,
)
from stages.evaluation.metrics import binary_entropy, check_predictions, row_log_loss
from stages.evaluation.ranking import Ranking
from stages.evaluation.slices import Slice
from stages.row_weights import RowWeights

MODEL, CONSTANT, ORACLE, RIVAL = "model", "constant", "oracle", "lightgbm"
Numbers = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One set of predictions: its metrics on the rows (`point`, each [1]) and under every draw (`drawn`, each [R])."""

    point: Numbers
    drawn: Numbers


def summarise(
    label: np.ndarray,
    predictions: dict[str, np.ndarray],
    p_true: np.ndarray | None,
    slices: list[Slice],
    resampler: Resampler,
    num_bins: int,
    confidence: float,
    on_done: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """Metrics of every prediction, the model's differences to the others, and the model's slices, as plain values.

    `predictions` needs the key "model"; "constant" is the zero of the learnable share, "lightgbm" the slices' rival.
    Raises ValueError for predictions that are no probabilities.
    """
    label = label.astype(np.float64)
    entries = dict(predictions) if p_true is None else {**predictions, ORACLE: p_true}
    for name, p_click in entries.items():
        check_predictions(label, p_click, name)
    judged = {
        name: _judge(Ranking(label, p_click, extra=_expected(p_true, p_click)), resampler, num_bins, on_done)
        for name, p_click in entries.items()
    }
    weights = resampler.weights or RowWeights(num_rows=label.shape[0])
    num_clicks, scale = weights.evidence(label > 0), evidence_scale(weights, label)
    given = evidence(num_clicks, num_clicks + weights.evidence(label == 0), resampler.units)
    shares = _learnable_shares(judged)
    return {
        "rows": weights.impressions(),
        "clicks": weights.impressions(label > 0),
        "ctr": _ctr(_mean(label, weights), weights.evidence(), confidence),
        "models": {
            name: {
                **_metrics(one, num_clicks, scale, given, confidence),
                **_share_estimates(shares, name, given, confidence),
                "ece_by_chance": round(ece_noise_floor(entries[name], num_bins, resampler.seed, 1000, weights), 7),
                "mean_prediction": round(_mean(entries[name].astype(np.float64), weights), 7),
                "predicted_log_loss": round(_mean(binary_entropy(entries[name]), weights), 7),
            }
            for name, one in judged.items()
        },
        "differences": {
            name: _difference(judged[MODEL], one, given, confidence) for name, one in judged.items() if name != MODEL
        },
        "slices": {one.name: _slice(label, entries, one, resampler, confidence, on_done) for one in slices},
    }


def _mean(values_N: np.ndarray, weights: RowWeights) -> float:
    return float(values_N.mean() if weights.is_plain else np.average(values_N, weights=weights.mass_N))


def evidence_scale(weights: RowWeights, label: np.ndarray, is_in_N: np.ndarray | None = None) -> float:
    """By what a weighted sum of clicks is to be multiplied, so that it is the number of clicks that say as much."""
    if weights.worth_N is None:
        return 1.0
    rows_N = np.ones(len(label), dtype=bool) if is_in_N is None else is_in_N
    counted_N = rows_N & (label > 0) if (rows_N & (label > 0)).any() else rows_N
    return weights.evidence(counted_N) / float(weights.mass_N[counted_N].sum())


def _expected(p_true: np.ndarray | None, p_click: np.ndarray) -> dict[str, np.ndarray]:
    return {} if p_true is None else {"expected_loss": row_log_loss(p_true, p_click)}


def _judge(ranking: Ranking, resampler: Resampler, num_bins: int, on_done: Callable[[], object] | None) -> Judged:
    plain = resampler.weights is None or resampler.weights.is_plain
    ranking.use_bins(num_bins, None if plain else resampler.mass)
    point = ranking.weighted(resampler.mass)
    drawn = resampler.replicate(ranking, on_done)
    return Judged(point=_rates(point), drawn={key: values[:, 0] for key, values in _rates(drawn).items()})


def _rates(sums: Numbers) -> Numbers:
    """Metrics from sums; works on [G] and on [R, G] alike. Undefined is NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        entropy = binary_entropy(sums["clicks"] / sums["rows"])
        rates = {
            "auc": sums["auc"],
            "log_loss": sums["loss"] / sums["rows"],
            "normalised_entropy": np.where(entropy > 0, sums["loss"] / sums["rows"] / entropy, np.nan),
            "observed_over_predicted": sums["clicks"] / sums["predicted"],
            "predicted": sums["predicted"],
        }
        if "ece" in sums:
            rates["ece"] = sums["ece"]
        if "expected_loss" in sums:
            rates["expected_log_loss"] = sums["expected_loss"] / sums["rows"]
        if "expected_full" in sums:
            rates["learnable_share_expected"] = _share(*(sums[f"expected_{key}"] for key in ("loss", "zero", "full")))
        if "rival_loss" in sums:
            rates["log_loss_minus_rival"] = (sums["loss"] - sums["rival_loss"]) / sums["rows"]
    return rates


def _metrics(one: Judged, num_clicks: int, scale: float, given: Evidence, confidence: float) -> dict[str, Any]:
    point = {key: float(values[0]) for key, values in one.point.items()}
    estimates = {
        key: from_replicates(point[key], one.drawn[key], given, confidence)
        for key in ("log_loss", "normalised_entropy", "expected_log_loss")
        if key in point
    }
    estimates["auc"] = auc_estimate(point["auc"], one.drawn["auc"], given, confidence)
    estimates["ece"] = ece_estimate(point["ece"], one.drawn["ece"], given, confidence)
    estimates["observed_over_predicted"] = ratio_estimate(
        num_clicks, scale * point["predicted"], one.drawn["observed_over_predicted"], given, confidence
    )
    return {key: estimate.as_dict() for key, estimate in estimates.items()}


def _learnable_shares(judged: dict[str, Judged]) -> dict[str, dict[str, tuple[float, np.ndarray]]]:
    """For every prediction and both kinds of loss: the share on the rows and under every draw. Empty without truth."""
    if ORACLE not in judged or CONSTANT not in judged:
        return {}
    shares: dict[str, dict[str, tuple[float, np.ndarray]]] = {}
    for share, loss in (("learnable_share", "log_loss"), ("learnable_share_expected", "expected_log_loss")):
        zero, full = judged[CONSTANT], judged[ORACLE]
        for name, one in judged.items():
            point = _share(one.point[loss], zero.point[loss], full.point[loss])
            drawn = _share(one.drawn[loss], zero.drawn[loss], full.drawn[loss])
            shares.setdefault(name, {})[share] = (float(point[0]), drawn)
    return shares


def _share(model: np.ndarray, constant: np.ndarray, oracle: np.ndarray) -> np.ndarray:
    gap = constant - oracle
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(gap > 0, 1.0 - (model - oracle) / gap, np.nan)


def _share_estimates(
    shares: dict[str, dict[str, tuple[float, np.ndarray]]], name: str, given: Evidence, confidence: float
) -> dict[str, Any]:
    found = {}
    for share, (point, drawn) in shares.get(name, {}).items():
        if np.isfinite(point):
            found[share] = from_replicates(point, drawn, given, confidence).as_dict()
        else:
            reason = "undefined: on these rows the true probabilities are no better than a constant"
            found[share] = Estimate(value=None, reason=reason).as_dict()
    return found


def _difference(model: Judged, other: Judged, given: Evidence, confidence: float) -> dict[str, Any]:
    """The model minus another: above 0 is better for auc, below 0 for the losses."""
    return {
        key: from_replicates(
            float(model.point[key][0] - other.point[key][0]),
            model.drawn[key] - other.drawn[key],
            given,
            confidence,
        ).as_dict()
        for key in ("auc", "log_loss", "normalised_entropy", "expected_log_loss")
        if key in model.point
    }


def _slice(
    label: np.ndarray,
    predictions: dict[str, np.ndarray],
    one: Slice,
    resampler: Resampler,
    confidence: float,
    on_done: Callable[[], object] | None,
) -> list[dict[str, Any]]:
    """One entry a value of the slice, in its order."""
    p_click = predictions[MODEL]
    extra = {"rival_loss": row_log_loss(label, predictions[RIVAL])} if RIVAL in predictions else {}
    if ORACLE in predictions and CONSTANT in predictions:
        expected = {"expected_loss": MODEL, "expected_zero": CONSTANT, "expected_full": ORACLE}
        extra |= {key: row_log_loss(predictions[ORACLE], predictions[name]) for key, name in expected.items()}
    weights, mass = resampler.weights or RowWeights(num_rows=label.shape[0]), resampler.mass
    own_loss = np.bincount(one.codes, binary_entropy(p_click) * mass, len(one.values))
    ranking = Ranking(label, p_click, one.codes, len(one.values), extra)
    sums = ranking.weighted(mass)
    point, drawn = _rates(sums), _rates(resampler.replicate(ranking, on_done))
    entries = []
    for code, value in enumerate(one.values):
        is_in, rows = one.codes == code, float(sums["rows"][code])
        clicks, scale = weights.evidence(is_in & (label > 0)), evidence_scale(weights, label, is_in)
        given = evidence(clicks, clicks + weights.evidence(is_in & (label == 0)), resampler.units_in(is_in))
        at = {key: (float(point[key][code]), drawn[key][:, code]) for key in point}
        estimates = {
            "auc": auc_estimate(*at["auc"], given, confidence),
            "normalised_entropy": from_replicates(*at["normalised_entropy"], given, confidence),
            "observed_over_predicted": ratio_estimate(
                clicks, scale * float(sums["predicted"][code]), at["observed_over_predicted"][1], given, confidence
            ),
        }
        if "learnable_share_expected" in at and np.isfinite(at["learnable_share_expected"][0]):
            share = from_replicates(*at["learnable_share_expected"], given, confidence)
            estimates["learnable_share_expected"] = share
        if "log_loss_minus_rival" in at:
            estimates[f"log_loss_minus_{RIVAL}"] = from_replicates(*at["log_loss_minus_rival"], given, confidence)
        entries.append(
            {
                "value": value,
                "rows": weights.impressions(is_in),
                "clicks": weights.impressions(is_in & (label > 0)),
                "ctr": _ctr(float(sums["clicks"][code]) / rows, weights.evidence(is_in), confidence),
                "mean_prediction": round(float(sums["predicted"][code]) / rows, 7),
                "log_loss": round(float(point["log_loss"][code]), 7),
                "predicted_log_loss": round(float(own_loss[code]) / rows, 7),
                **{key: estimate.as_dict() for key, estimate in estimates.items()},
            }
        )
    return entries


def _ctr(share: float, count: int, confidence: float) -> dict[str, Any]:
    low, high = wilson(share, count, confidence)
    return Estimate(value=share, low=low, high=high).as_dict()

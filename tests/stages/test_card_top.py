"""The top of the model card: what is wrong comes before what is good, and every tile says which way is better than what."""

import pytest

from stages.reporting.headline import headline
from stages.reporting.tiles import METRICS, tiles

GOOD, BAD, OPEN = (-0.02, -0.01), (0.01, 0.02), (-0.01, 0.01)  # intervals of a log-loss minus that of a baseline
EVEN, MORE, FEWER = (0.97, 1.03), (1.05, 1.15), (0.8, 0.9)  # intervals of observed / predicted


def middle(low: float | None, high: float | None) -> dict:
    return {"value": 1.0 if low is None else (low + high) / 2, "low": low, "high": high, "reason": "no interval: 3 clicks"}


def value(name: str, ratio: tuple = EVEN, auc: tuple = (0.6, 0.7), rival: tuple = OPEN) -> dict:
    estimates = {"auc": middle(*auc), "observed_over_predicted": middle(*ratio), "log_loss_minus_lightgbm": middle(*rival)}
    return {"value": name, "rows": 1000, "clicks": 50, **estimates}


def evaluation(gaps: dict, ratio: tuple = EVEN, slices: tuple = (), truth: bool = False) -> dict:
    """`gaps`: the interval of the log-loss difference to each baseline; that of the AUC is its mirror image."""
    estimates = {"auc": 0.7, "log_loss": 0.16, "normalised_entropy": 0.9, "learnable_share": 0.8}
    metrics = {name: {"value": number, "low": number - 0.01, "high": number + 0.01} for name, number in estimates.items()}
    models = {name: metrics | {"log_loss": {"value": 0.16 - sum(gap) / 2, "low": 0.1, "high": 0.2}} for name, gap in gaps.items()}
    models["model"] = metrics | {"observed_over_predicted": middle(*ratio)}
    differences = {
        name: {"log_loss": middle(*gap), "normalised_entropy": middle(*gap), "auc": middle(-gap[1], -gap[0])}
        for name, gap in gaps.items()
    }
    return {
        "models": models,
        "differences": differences,
        "slices": {"device": list(slices)},
        "settings": {"confidence": 0.95},
        "truth": {"known": truth},
    }


def test_everything_that_is_wrong_is_said_the_worst_first() -> None:
    slices = [value("tv", MORE), value("phone", FEWER, rival=BAD), value("tablet", auc=(0.45, 0.6))]
    said = headline(evaluation({"lightgbm": BAD, "logistic": GOOD, "constant": OPEN}, MORE, slices))
    worse, ratio, off, behind, blind = said["wrong"]
    assert worse == "worse in log-loss than LightGBM"
    assert ratio == "10% more clicks came than predicted (observed / predicted 1.100 [1.050, 1.150], should be 1)"
    assert off == (
        "2 of 3 slice values are off in observed / predicted (by chance 0; worst: device = phone: 0.85; device = tv: 1.10)"
    )
    assert behind == "worse in log-loss than LightGBM in device = phone"
    assert blind == "ranking not proven better than chance in device = tablet"
    assert said["good"] == ["better in log-loss than logistic regression"]


def test_what_chance_explains_is_not_called_wrong() -> None:
    slices = [value(str(hour)) for hour in range(39)]
    assert headline(evaluation({"lightgbm": GOOD}, EVEN, [*slices, value("39", MORE, rival=BAD)]))["wrong"] == []
    three = [value(str(hour), MORE) for hour in range(3)]
    assert headline(evaluation({"lightgbm": GOOD}, EVEN, [*slices, *three]))["wrong"][0].startswith("3 of 42 slice values")


def test_without_an_interval_nothing_is_claimed() -> None:
    assert headline(evaluation({"constant": (-0.01, 0.01)}, (None, None))) == {"wrong": [], "good": []}
    said = headline(evaluation({"lightgbm": GOOD, "constant": GOOD}))
    assert said["good"] == [
        "better in log-loss than LightGBM and the click rate of the training rows",
        "as many clicks came as predicted (observed / predicted 1.000 [0.970, 1.030])",
    ]


@pytest.mark.parametrize(("gap", "state"), [(GOOD, "good"), (BAD, "bad"), (OPEN, "open")])
def test_a_tile_says_its_direction_its_reference_and_whether_it_is_better(gap: tuple, state: str) -> None:
    by_name = {tile["name"]: tile for tile in tiles(evaluation({"lightgbm": gap}, truth=True))}
    assert {name: tile["direction"] for name, tile in by_name.items()} == {
        "AUC": "higher is better",
        "Log-loss": "lower is better",
        "Normalised entropy": "lower is better",
        "Observed / predicted": "1 is right",
        "Learnable share": "higher is better",
    }
    judged = [tile["state"] for name, tile in by_name.items() if name != "Observed / predicted"]
    assert judged == [state] * (len(METRICS) - 1)
    assert by_name["AUC"]["reference"] == "LightGBM 0.7000; chance 0.5"
    assert by_name["Observed / predicted"]["reference"] == "above 1: more clicks than predicted"


@pytest.mark.parametrize(("ratio", "state"), [(EVEN, "good"), (MORE, "bad"), (FEWER, "bad"), ((None, None), "open")])
def test_observed_over_predicted_is_held_against_1(ratio: tuple, state: str) -> None:
    (tile,) = (one for one in tiles(evaluation({"lightgbm": GOOD}, ratio)) if one["name"] == "Observed / predicted")
    assert tile["state"] == state


def test_the_best_baseline_is_the_reference() -> None:
    found = tiles(evaluation({"lightgbm": (-0.04, -0.03), "logistic": (-0.02, -0.01)}))
    assert found[1]["reference"] == "Logistic regression 0.1750"
    assert tiles(evaluation({}))[1] | {"reference": "", "state": "open"} == tiles(evaluation({}))[1]

"""What moves clicks in the exchange: directions, sizes, drift and the constants of the calibration."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages.simulate.appeal import AppealScale, image_appeal
from stages.simulate.calibration import calibrate, solve_intercept
from stages.simulate.clicks import click_probability, log_odds_parts
from stages.simulate.config import ExchangeConfig
from stages.simulate.creatives import live_creatives
from stages.simulate.months import month_index, month_name, month_start_s
from stages.simulate.randomness import draw_by_weight, generator, power_law
from stages.simulate.tastes import draw_tastes, drift_at
from stages.simulate.traffic import count_earlier_views, draw_traffic, weekday
from stages.simulate.world import draw_world
from stages.simulate.write import month_click_model

DEFAULTS = yaml.safe_load((Path(__file__).parents[2] / "conf/exchange/default.yaml").read_text())
SMALL = {"impressions_per_month": 3000, "creatives_per_month": 300, "num_users": 400, "num_sites": 60}
JUNE = month_index("2026-06")


def small_exchange(**changes: object) -> ExchangeConfig:
    return ExchangeConfig(**(DEFAULTS | SMALL | changes))


@pytest.fixture(scope="module")
def june():
    """Click model, creatives, appeal and traffic of one small month."""
    config = small_exchange()
    world, tastes = draw_world(config), draw_tastes(config)
    scale, intercept = calibrate(config, world, tastes)
    creatives = live_creatives(config, world, JUNE, month_index(config.first_month))
    rng = generator(config.seed, "traffic", JUNE)
    traffic = draw_traffic(config, world, creatives, JUNE, 3000, world.users.activity_U, rng)
    model = month_click_model(config, world, tastes, intercept, "2026-06")
    return model, creatives, image_appeal(creatives, tastes, scale), traffic


def test_probability_is_the_logistic_of_the_intercept_and_the_parts(june):
    model = june[0]
    log_odds_N = model.intercept + sum(log_odds_parts(*june).values())
    assert click_probability(*june) == pytest.approx(1.0 / (1.0 + np.exp(-log_odds_N)), abs=1e-9)


def test_lower_positions_are_clicked_less(june):
    model, creatives, appeal, traffic = june
    by_position = [
        click_probability(model, creatives, appeal, replace(traffic, position_N=np.full(len(traffic), position)))
        for position in range(5)
    ]
    for higher, lower in pairwise(by_position):
        assert (lower < higher).all()


def test_repeated_views_tire_after_the_second(june):
    model, creatives, appeal, traffic = june
    seen = [
        click_probability(model, creatives, appeal, replace(traffic, frequency_N=np.full(len(traffic), views)))
        for views in (1, 2, 5, 20)
    ]
    assert (seen[0] > seen[1]).all() and (seen[1] > seen[2]).all() and (seen[2] > seen[3]).all()


def test_image_effect_has_the_configured_spread_and_none_without_an_image():
    config = small_exchange(image_effect_std=0.6, creatives_per_month=2000)
    world, tastes = draw_world(config), draw_tastes(config)
    scale, _ = calibrate(config, world, tastes)
    creatives = live_creatives(config, world, JUNE, JUNE)
    appeal = image_appeal(creatives, tastes, scale)
    effect_CD = appeal.other_CD + appeal.palette_C[:, None]
    assert effect_CD.std() == pytest.approx(0.6, rel=0.1)
    blind = image_appeal(replace(creatives, has_image_C=np.zeros(2000, dtype=bool)), tastes, scale)
    assert not blind.other_CD.any() and not blind.palette_C.any() and not blind.warmth_C.any()


def test_each_trait_alone_changes_the_appeal():
    config = small_exchange(missing_image_frac=0.0)
    world, tastes = draw_world(config), draw_tastes(config)
    creatives = live_creatives(config, world, JUNE, JUNE)

    def on_phone(**traits: float) -> np.ndarray:
        arrays = {f"{name}_C": np.full(len(creatives), value) for name, value in traits.items()}
        appeal = image_appeal(replace(creatives, **arrays), tastes, AppealScale(mean=0.0, factor=1.0))
        return appeal.other_CD[:, 0] + appeal.palette_C

    assert (on_phone(clutter=0.0) > on_phone(clutter=1.0)).all()
    assert (on_phone(contrast=0.65) > on_phone(contrast=0.0)).all()
    assert (on_phone(text_frac=0.16) > on_phone(text_frac=0.40)).all()
    assert on_phone(layout=0) - on_phone(layout=1) == pytest.approx(0.30)
    assert (on_phone(face=1) - on_phone(face=0)).mean() == pytest.approx(0.75, abs=0.2)
    liked = tastes.palette_C[creatives.ad_category_C] > 0
    assert np.array_equal(on_phone(hue=0.06) > on_phone(hue=0.56), liked)


def test_drift_starts_at_zero_and_moves_by_the_configured_step():
    config = small_exchange(drift_std=0.08)
    assert not drift_at(config, month_index(config.first_month)).segment_ad_GC.any()
    first = month_index(config.first_month)
    steps = [drift_at(config, idx + 1).segment_ad_GC - drift_at(config, idx).segment_ad_GC for idx in range(first, first + 6)]
    assert np.std(steps) == pytest.approx(0.08, rel=0.15)
    assert not drift_at(small_exchange(drift_std=0.0), JUNE).segment_ad_GC.any()


def test_intercept_gives_the_wanted_mean():
    log_odds_N = np.linspace(-3.0, 3.0, 101)
    intercept = solve_intercept(log_odds_N, 0.04)
    assert (1.0 / (1.0 + np.exp(-(log_odds_N + intercept)))).mean() == pytest.approx(0.04, abs=1e-6)


def test_earlier_views_are_counted_per_user_and_creative():
    users, creatives = np.array([1, 1, 2, 1, 2, 1]), np.array([0, 0, 0, 3, 0, 0])
    assert count_earlier_views(users, creatives, 4).tolist() == [0, 1, 0, 0, 1, 2]


def test_draws_follow_the_weights_of_their_group():
    weights = np.array([[0.0, 1.0, 3.0], [2.0, 0.0, 0.0]])
    drawn = draw_by_weight(weights, np.array([0, 0, 0, 1, 1]), np.array([0.0, 0.249, 0.251, 0.0, 0.999]))
    assert drawn.tolist() == [1, 1, 2, 0, 0]


def test_power_law_sums_to_one_and_has_the_exponent():
    shares = np.sort(power_law(generator(0, "users"), 100, exponent=1.0, offset=0.0))[::-1]
    assert shares.sum() == pytest.approx(1.0)
    assert shares[0] / shares[9] == pytest.approx(10.0)


def test_months_count_from_the_origin_and_start_at_midnight():
    assert [month_index("2026-05"), month_name(316)] == [316, "2026-05"]
    assert month_start_s(month_index("2026-07")) == 1_782_864_000
    assert weekday(np.array([1_782_864_000])).tolist() == [3]  # 1 July 2026 is a Wednesday
    with pytest.raises(ValueError, match="a month must be YYYY-MM between 2010-01 and 2099-12, got '2026-13'"):
        month_index("2026-13")

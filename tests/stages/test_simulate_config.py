"""The exchange section: the shipped defaults hold, and impossible values are refused in one sentence."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from stages.simulate.config import ExchangeConfig, ShockConfig

DEFAULTS = yaml.safe_load((Path(__file__).parents[2] / "conf/exchange/default.yaml").read_text())
SHOCK = {"month": "2026-07", "kind": "collapse", "site_category": "news", "device": "phone", "log_odds": -1.0}


def test_default_exchange_is_of_the_promised_size():
    config = ExchangeConfig(**DEFAULTS)
    assert config.impressions_per_month * len(config.months) == 600_000
    assert config.creatives_per_month * len(config.months) == 1_500
    assert config.months[0] == config.first_month
    assert config.shock is None


def test_seed_zero_is_a_seed_and_a_shock_is_a_mapping():
    config = ExchangeConfig(**(DEFAULTS | {"seed": 0, "shock": SHOCK}))
    assert config.seed == 0
    assert config.shock == ShockConfig(**SHOCK)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": -1}, "exchange.seed must be 0 or more, got -1"),
        ({"num_sites": 0}, "exchange.num_sites must be 1 or more, got 0"),
        ({"impressions_per_month": 10**9}, "exchange.impressions_per_month must be 1 to 1e8, got 1000000000"),
        ({"image_size_px": 8}, "exchange.image_size_px must be 16 to 512 pixels, got 8"),
        ({"target_ctr": 1.0}, r"exchange.target_ctr must be in \(0, 1\), got 1.0"),
        ({"creative_half_life_days": 0.0}, "exchange.creative_half_life_days must be above 0 days, got 0.0"),
        ({"repeat_frac": 1.0}, r"exchange.repeat_frac must be in \[0, 1\), got 1.0"),
        ({"dirty_frac": 1.5}, r"exchange.dirty_frac must be in \[0, 1\], got 1.5"),
        ({"missing_image_frac": 0.6}, r"exchange.missing_image_frac must be in \[0, 0.5\], got 0.6"),
        ({"drift_std": float("nan")}, "exchange.drift_std must be 0 to 5 log-odds, got nan"),
        ({"months": ["2026-5"]}, "exchange.months must be a month as YYYY-MM .*, got '2026-5'"),
        ({"months": []}, "exchange.months must be one or more months, ascending, none twice"),
        ({"months": ["2026-07", "2026-06"]}, "ascending, none twice, got .'2026-07', '2026-06'."),
        ({"months": ["2026-04"]}, "no month before exchange.first_month .2026-05., got '2026-04'"),
        ({"shock": SHOCK | {"month": "2026-08"}}, "exchange.shock.month must be one of exchange.months"),
        ({"shock": SHOCK | {"device": "fridge"}}, "exchange.shock.device must be one of .*'phone'.*, got 'fridge'"),
        ({"shock": SHOCK | {"site_category": "x"}}, "exchange.shock.site_category must be one of .*'news'.*, got 'x'"),
        ({"shock": SHOCK | {"log_odds": 1.0}}, r"exchange.shock.log_odds must be in \[-10, 0\), got 1.0"),
        ({"shock": SHOCK | {"kind": "fire"}}, "'collapse' or 'palette_flip'"),
        ({"impressions_per_mont": 5}, "impressions_per_mont"),
    ],
)
def test_impossible_value_is_refused_with_key_value_and_what_is_allowed(change, sentence):
    with pytest.raises(ValidationError, match=sentence):
        ExchangeConfig(**(DEFAULTS | change))

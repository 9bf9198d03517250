"""The `exchange` section of params.yaml. Defaults live in conf/exchange/default.yaml, none here."""

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from stages.simulate.months import is_month, month_index
from stages.simulate.names import AD_CATEGORIES, DEVICES, SITE_CATEGORIES

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ShockConfig:
    """One declared break in one month; every other month keeps its bytes."""

    month: str  # YYYY-MM, one of exchange.months
    kind: Literal["collapse", "palette_flip"]  # clicks of one site category and device fall; warm and cold swap
    site_category: str  # where clicks collapse; ignored by palette_flip
    device: str  # where clicks collapse; ignored by palette_flip
    log_odds: float  # added to the log-odds of the rows that collapse, below 0; ignored by palette_flip

    def __post_init__(self) -> None:
        _require(is_month(self.month), "shock.month", self.month, "a month as YYYY-MM between 2010-01 and 2099-12")
        known_category = self.site_category in SITE_CATEGORIES
        _require(known_category, "shock.site_category", self.site_category, f"one of {SITE_CATEGORIES}")
        _require(self.device in DEVICES, "shock.device", self.device, f"one of {DEVICES}")
        _require(-10.0 <= self.log_odds < 0.0, "shock.log_odds", self.log_odds, "in [-10, 0)")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class InterestsConfig:
    """What users are after, and what rows tell of it."""

    lasting: float  # log-odds that an ad of a category which the user always likes gains over others
    current: float  # the same of the one category that the user looks for this month
    most_tags: int  # categories that a user always likes, at most; the exchange knows them
    longest: int  # clicked creatives that a row tells, the last ones of its user in this month
    delay_s: int  # seconds after which a click is told

    def __post_init__(self) -> None:
        for key in ("lasting", "current"):
            _require(0.0 <= getattr(self, key) <= 5.0, f"interests.{key}", getattr(self, key), "0 to 5 log-odds")
        _require(0 <= self.most_tags <= len(AD_CATEGORIES), "interests.most_tags", self.most_tags, f"0 to {len(AD_CATEGORIES)}")
        _require(1 <= self.longest <= 200, "interests.longest", self.longest, "1 to 200")
        _require(self.delay_s >= 1, "interests.delay_s", self.delay_s, "1 second or more")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ExchangeConfig:
    """What the exchange is like. A month's files depend on all of this except `months`."""

    seed: int  # any integer >= 0
    first_month: str  # YYYY-MM in which the exchange opens; no creative is older
    months: list[str]  # YYYY-MM, the months to generate, ascending
    impressions_per_month: int  # rows a month before duplicates
    creatives_per_month: int  # creatives launched every month
    num_users: int  # distinct users
    num_sites: int  # distinct sites
    num_advertisers: int  # distinct advertisers
    image_size_px: int  # side of the square creative images, pixels
    target_ctr: float  # clicks an impression without drift and shock, 0 to 1
    creative_half_life_days: float  # days after which a creative is shown half as often
    repeat_frac: float  # share of impressions that show the user the previous creative again, 0 to 1
    age_missing_frac: float  # share of users whose age is unknown, 0 to 1
    image_effect_std: float  # standard deviation of the image's part of the log-odds, across creatives
    user_effect_std: float  # standard deviation of the part of the log-odds that only the user id explains
    drift_std: float  # standard deviation of a taste's change from one month to the next, log-odds
    missing_image_frac: float  # share of creatives whose image never arrives, 0 to 0.5, all of low traffic
    dirty_frac: float  # share of rows that are broken on purpose or written twice, 0 to 1
    shock: ShockConfig | None  # null: none
    interests: InterestsConfig | None  # null: users are after nothing, and rows tell no clicks

    def __post_init__(self) -> None:
        _require(self.seed >= 0, "seed", self.seed, "0 or more")
        for key in ("creatives_per_month", "num_users", "num_sites", "num_advertisers"):
            _require(getattr(self, key) >= 1, key, getattr(self, key), "1 or more")
        num_rows, half_life_days = self.impressions_per_month, self.creative_half_life_days
        _require(1 <= num_rows <= 10**8, "impressions_per_month", num_rows, "1 to 1e8")
        _require(half_life_days > 0.0, "creative_half_life_days", half_life_days, "above 0 days")
        _require(16 <= self.image_size_px <= 512, "image_size_px", self.image_size_px, "16 to 512 pixels")
        _require(0.0 < self.target_ctr < 1.0, "target_ctr", self.target_ctr, "in (0, 1)")
        _require(0.0 <= self.repeat_frac < 1.0, "repeat_frac", self.repeat_frac, "in [0, 1)")
        for key in ("age_missing_frac", "dirty_frac"):
            _require(0.0 <= getattr(self, key) <= 1.0, key, getattr(self, key), "in [0, 1]")
        _require(0.0 <= self.missing_image_frac <= 0.5, "missing_image_frac", self.missing_image_frac, "in [0, 0.5]")
        for key in ("image_effect_std", "user_effect_std", "drift_std"):
            _require(0.0 <= getattr(self, key) <= 5.0, key, getattr(self, key), "0 to 5 log-odds")
        self._check_months()

    def _check_months(self) -> None:
        for key, month in [("first_month", self.first_month), *(("months", month) for month in self.months)]:
            _require(is_month(month), key, month, "a month as YYYY-MM between 2010-01 and 2099-12")
        in_order = len(self.months) > 0 and self.months == sorted(set(self.months))
        _require(in_order, "months", self.months, "one or more months, ascending, none twice")
        open_in_time = month_index(self.months[0]) >= month_index(self.first_month)
        _require(open_in_time, "months", self.months[0], f"no month before exchange.first_month ({self.first_month})")
        if self.shock is not None:
            planned = self.shock.month in self.months
            _require(planned, "shock.month", self.shock.month, f"one of exchange.months {self.months}")


def _require(holds: bool, key: str, value: object, allowed: str) -> None:
    """Raises ValueError that names key, value and what is allowed unless the rule holds."""
    if not holds:
        raise ValueError(f"exchange.{key} must be {allowed}, got {value!r}; set it in conf/exchange/default.yaml")

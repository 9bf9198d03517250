"""What people like: the drawn parts of the log-odds, and how the drifting ones wander from month to month.

Shape letters: G user segments, W site categories, C ad categories, D devices, F ad formats, O operating systems, R regions,
K themes.
"""

from dataclasses import dataclass, fields

import numpy as np

from stages.simulate import names
from stages.simulate.config import ExchangeConfig
from stages.simulate.months import month_index
from stages.simulate.randomness import generator
from stages.simulate.world import NUM_AD_CATEGORIES, NUM_SEGMENTS, NUM_SITE_CATEGORIES

_MEMORY_MONTHS = 24  # how many monthly pushes a drifting taste still feels
_FADE = 0.9  # of a push after a month: the walk wanders but never runs away
_NUM_THEMES = 3  # directions in which people and pages lean towards ad categories
_OVERALL_DRIFT = 0.5  # drift of the general mood, relative to drift_std


@dataclass(frozen=True, kw_only=True)
class Tastes:
    """Log-odds that stay as they are."""

    segment_G: np.ndarray
    site_category_W: np.ndarray
    weekend_W: np.ndarray  # added on Saturdays and Sundays
    region_R: np.ndarray
    os_O: np.ndarray
    segment_ad_GC: np.ndarray
    site_ad_WC: np.ndarray
    device_format_DF: np.ndarray
    age_peak_C: np.ndarray  # years of age at which an ad category is liked most
    palette_C: np.ndarray  # liking of warm palettes, before the image effect is scaled
    face_C: np.ndarray  # liking of faces, before the image effect is scaled


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Log-odds on top of the tastes at one moment; all zero when the exchange opens."""

    overall: np.ndarray  # shape [1]
    segment_ad_GC: np.ndarray
    site_ad_WC: np.ndarray
    palette_C: np.ndarray  # times the warmth of the palette


def draw_tastes(config: ExchangeConfig) -> Tastes:
    rng = generator(config.seed, "tastes")
    theme_CK = rng.standard_normal((NUM_AD_CATEGORIES, _NUM_THEMES))
    return Tastes(
        segment_G=_effects(rng, 0.25, NUM_SEGMENTS),
        site_category_W=_effects(rng, 0.25, NUM_SITE_CATEGORIES),
        weekend_W=_effects(rng, 0.20, NUM_SITE_CATEGORIES),
        region_R=_effects(rng, 0.10, len(names.REGIONS)),
        os_O=_effects(rng, 0.10, len(names.OSES)),
        segment_ad_GC=_by_theme(rng, 0.50, NUM_SEGMENTS, theme_CK),
        site_ad_WC=_by_theme(rng, 0.35, NUM_SITE_CATEGORIES, theme_CK),
        device_format_DF=_effects(rng, 0.30, len(names.DEVICES), len(names.AD_FORMATS)),
        age_peak_C=rng.uniform(20.0, 70.0, NUM_AD_CATEGORIES),
        palette_C=0.4 + _effects(rng, 0.6, NUM_AD_CATEGORIES),
        face_C=_effects(rng, 0.3, NUM_AD_CATEGORIES),
    )


def _effects(rng: np.random.Generator, std: float, size: int, *more: int) -> np.ndarray:
    return _standardised(rng.standard_normal((size, *more)), std)


def _by_theme(rng: np.random.Generator, std: float, size: int, theme_CK: np.ndarray) -> np.ndarray:
    """Liking of ad categories, [size, C], through the few themes K that they touch: similar ads please similar people."""
    liking_SK = rng.standard_normal((size, _NUM_THEMES))
    return _standardised((liking_SK[:, None, :] * theme_CK).sum(axis=2), std)


def _standardised(draws: np.ndarray, std: float) -> np.ndarray:
    """Shifted and stretched to mean 0 and exactly this standard deviation, so that no seed is a dull world."""
    return std * (draws - draws.mean()) / draws.std()


def drift_at(config: ExchangeConfig, month_idx: int) -> Drift:
    """How far the drifting tastes stand, at the beginning of the month, from where they stood when the exchange opened.

    Between two beginnings they move in a line.
    """
    # Pushes of std sqrt((1 + fade) / 2) make the change from month to month have std 1.
    scale = config.drift_std * np.sqrt((1.0 + _FADE) / 2.0)
    now, opening = _walk(config.seed, month_idx), _walk(config.seed, month_index(config.first_month))
    return Drift(**{f.name: scale * (getattr(now, f.name) - getattr(opening, f.name)) for f in fields(Drift)})


def _walk(seed: int, month_idx: int) -> Drift:
    """The faded sum of the pushes up to this month."""
    pushes = [_push(seed, month_idx - age) for age in range(_MEMORY_MONTHS)]
    return Drift(**{f.name: sum(_FADE**age * getattr(push, f.name) for age, push in enumerate(pushes)) for f in fields(Drift)})


def _push(seed: int, month_idx: int) -> Drift:
    rng = generator(seed, "drift", month_idx)
    return Drift(
        overall=_OVERALL_DRIFT * rng.standard_normal(1),
        segment_ad_GC=rng.standard_normal((NUM_SEGMENTS, NUM_AD_CATEGORIES)),
        site_ad_WC=rng.standard_normal((NUM_SITE_CATEGORIES, NUM_AD_CATEGORIES)),
        palette_C=rng.standard_normal(NUM_AD_CATEGORIES),
    )


def no_drift() -> Drift:
    return Drift(
        overall=np.zeros(1),
        segment_ad_GC=np.zeros((NUM_SEGMENTS, NUM_AD_CATEGORIES)),
        site_ad_WC=np.zeros((NUM_SITE_CATEGORIES, NUM_AD_CATEGORIES)),
        palette_C=np.zeros(NUM_AD_CATEGORIES),
    )

"""The creatives of the exchange: who advertises what, from when on, and the visual traits that their images show.

Shape letters: C creatives, J random numbers a creative that place and colour what carries no meaning in its image.
"""

from dataclasses import dataclass, fields

import numpy as np

from stages.simulate.config import ExchangeConfig
from stages.simulate.months import DAY_S, month_name, month_start_s
from stages.simulate.randomness import draw_by_weight, generator, power_law
from stages.simulate.world import World

SLOT_DAYS = 5  # new creatives go live at the start of a slot
NUM_LAUNCH_SLOTS = 5
LIFETIME_MONTHS = 12  # a creative is taken down after this; by then its share is next to nothing
NUM_CLUTTER_SHAPES = 12
NUM_JITTER = 16 + 4 * NUM_CLUTTER_SHAPES
_FORMAT_WEIGHTS = np.array([[0.35, 0.25, 0.15, 0.10, 0.15]])
LAYOUTS = ("text left", "text right", "text below")


@dataclass(frozen=True, kw_only=True)
class Creatives:
    """Parallel arrays, one entry a creative. The traits are what the image shows after rounding, nothing hidden."""

    creative_id_C: np.ndarray  # text, unique over all months
    advertiser_C: np.ndarray
    ad_category_C: np.ndarray  # index into AD_CATEGORIES
    ad_format_C: np.ndarray  # index into AD_FORMATS
    live_from_s_C: np.ndarray  # seconds since 1970, the first possible impression
    launch_s_C: np.ndarray  # seconds since 1970, up to a day earlier; the zero of days_since_launch
    weight_C: np.ndarray  # share of its month's new creatives, sum 1 a month
    has_image_C: np.ndarray  # bool; without an image the traits below have no effect
    hue_C: np.ndarray  # palette, 0 to 1 around the colour circle, 0.06 is orange
    saturation_C: np.ndarray  # 0 to 1
    contrast_C: np.ndarray  # 0 to 1
    clutter_C: np.ndarray  # 0 to 1, small shapes drawn / NUM_CLUTTER_SHAPES
    text_frac_C: np.ndarray  # share of the image that is text, 0 to 1
    face_C: np.ndarray  # bool, a face-like shape
    layout_C: np.ndarray  # index into LAYOUTS
    jitter_CJ: np.ndarray  # uniform in [0, 1)

    def __len__(self) -> int:
        return len(self.creative_id_C)


def live_creatives(config: ExchangeConfig, world: World, month_idx: int, since_idx: int) -> Creatives:
    """All creatives that can be shown in the month, oldest first; none launched before month `since_idx`."""
    first = max(since_idx, month_idx - LIFETIME_MONTHS + 1)
    cohorts = [launch_creatives(config, world, idx) for idx in range(first, month_idx + 1)]
    merged = {f.name: np.concatenate([getattr(cohort, f.name) for cohort in cohorts]) for f in fields(Creatives)}
    return Creatives(**merged)


def launch_creatives(config: ExchangeConfig, world: World, month_idx: int) -> Creatives:
    """The creatives that are new in this month; they depend on the seed and the month only."""
    rng, size = generator(config.seed, "creatives", month_idx), config.creatives_per_month
    zeros = np.zeros(size, np.int64)
    advertiser_C = draw_by_weight(world.advertisers.budget_A[None], zeros, rng.random(size))
    weight_C = power_law(rng, size, exponent=0.9, offset=6.0)
    slot_C = rng.permutation(np.arange(size) % NUM_LAUNCH_SLOTS)
    live_from_s_C = month_start_s(month_idx) + slot_C * SLOT_DAYS * DAY_S
    code = month_name(month_idx).replace("-", "")[2:]
    return Creatives(
        creative_id_C=np.array([f"cr{code}-{number:05d}" for number in range(1, size + 1)]),
        advertiser_C=advertiser_C,
        ad_category_C=world.advertisers.category_A[advertiser_C],
        ad_format_C=draw_by_weight(_FORMAT_WEIGHTS, zeros, rng.random(size)),
        live_from_s_C=live_from_s_C,
        launch_s_C=live_from_s_C - rng.integers(DAY_S, size=size),
        weight_C=weight_C,
        has_image_C=_draw_has_image(rng, weight_C, config.missing_image_frac),
        hue_C=rng.random(size),
        saturation_C=rng.uniform(0.25, 0.95, size),
        contrast_C=rng.random(size),
        clutter_C=np.round(rng.beta(1.1, 1.4, size) * NUM_CLUTTER_SHAPES) / NUM_CLUTTER_SHAPES,
        text_frac_C=rng.uniform(0.03, 0.40, size),
        face_C=rng.random(size) < 0.45,
        layout_C=rng.integers(len(LAYOUTS), size=size),
        jitter_CJ=rng.random((size, NUM_JITTER)),
    )


def _draw_has_image(rng: np.random.Generator, weight_C: np.ndarray, missing_frac: float) -> np.ndarray:
    """False for the wanted share of creatives, drawn among the half with the least traffic."""
    low_traffic = np.argsort(weight_C, kind="stable")[: (len(weight_C) + 1) // 2]
    missing = rng.permutation(low_traffic)[: round(missing_frac * len(weight_C))]
    has_image_C = np.ones(len(weight_C), dtype=bool)
    has_image_C[missing] = False
    return has_image_C

"""How an image changes the click probability: a nonlinear function of its visual traits, the device and the ad category.

Shape letters: C creatives, D devices.
"""

from dataclasses import dataclass

import numpy as np

from stages.simulate.creatives import Creatives
from stages.simulate.tastes import Tastes

_WARMEST_HUE = 0.06  # orange
_FACE_BY_DEVICE = np.array([0.75, 0.20, 0.45, 0.0])  # faces work on small screens, held in the hand
_CLUTTER_BY_DEVICE = np.array([1.5, 0.9, 1.2, 0.6])  # clutter hurts more where there is less room
_LAYOUT = np.array([0.15, -0.15, 0.0])
_BEST_TEXT_FRAC, _BEST_CONTRAST = 0.16, 0.65


@dataclass(frozen=True, kw_only=True)
class Appeal:
    """The image's part of the log-odds, for every creative on every device."""

    other_CD: np.ndarray  # all but the palette
    palette_C: np.ndarray  # what the palette brings in its ad category
    warmth_C: np.ndarray  # -1 cold to 1 warm, paler palettes nearer to 0


@dataclass(frozen=True, kw_only=True)
class AppealScale:
    """Makes the image effect have mean 0 and the wanted standard deviation over a calibration sample."""

    mean: float  # of the unscaled effect
    factor: float  # log-odds a unit of the unscaled effect


def image_appeal(creatives: Creatives, tastes: Tastes, scale: AppealScale) -> Appeal:
    """Zero everywhere for a creative without an image."""
    visible_C = creatives.has_image_C.astype(float)
    warmth_C = np.cos(2.0 * np.pi * (creatives.hue_C - _WARMEST_HUE)) * creatives.saturation_C
    return Appeal(
        other_CD=(_other_traits(creatives, tastes) - scale.mean) * scale.factor * visible_C[:, None],
        palette_C=tastes.palette_C[creatives.ad_category_C] * warmth_C * scale.factor * visible_C,
        warmth_C=warmth_C * visible_C,
    )


def fit_appeal_scale(creatives: Creatives, tastes: Tastes, device_share_D: np.ndarray, std: float) -> AppealScale:
    """The scale for which the effect has standard deviation `std` over these creatives, each on all devices by share."""
    plain = image_appeal(creatives, tastes, AppealScale(mean=0.0, factor=1.0))
    effect_CD = plain.other_CD + plain.palette_C[:, None]
    mean = float((effect_CD @ device_share_D).mean())
    variance = float((((effect_CD - mean) ** 2) @ device_share_D).mean())
    return AppealScale(mean=mean, factor=std / np.sqrt(variance))


def _other_traits(creatives: Creatives, tastes: Tastes) -> np.ndarray:
    clutter_C, text_frac_C = creatives.clutter_C, creatives.text_frac_C
    face_CD = creatives.face_C[:, None] * (_FACE_BY_DEVICE + tastes.face_C[creatives.ad_category_C][:, None])
    clutter_CD = -clutter_C[:, None] * _CLUTTER_BY_DEVICE
    shared_C = (
        -9.0 * (text_frac_C - _BEST_TEXT_FRAC) ** 2
        - 2.0 * clutter_C * text_frac_C  # busy and wordy is worse than either alone
        - 2.0 * (creatives.contrast_C - _BEST_CONTRAST) ** 2
        + _LAYOUT[creatives.layout_C]
    )
    return face_CD + clutter_CD + shared_C[:, None]

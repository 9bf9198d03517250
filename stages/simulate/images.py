"""Rendering of creatives: latent traits in, RGB pixels out, for many creatives at once.

Shape letters: C creatives, H and W image height and width, 3 colour channels. Coordinates run from 0 to 1, y downwards.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from stages.simulate.creatives import LAYOUTS, NUM_CLUTTER_SHAPES, Creatives

_CHUNK = 128  # creatives rendered at once: the working set stays in the cache
_TEXT_LEFT, _TEXT_RIGHT, _TEXT_BELOW = range(len(LAYOUTS))
_TEXT_PERIOD = 0.125  # height of a line with its gap
_SKIN_LIGHT, _SKIN_DARK = np.array([0.98, 0.84, 0.72]), np.array([0.50, 0.33, 0.22])


def write_images(creatives: Creatives, shown_C: np.ndarray, size_px: int, folder: Path) -> int:
    """Number of PNG files written, `<creative_id>.png`, one for each creative that is shown and has an image."""
    wanted = np.flatnonzero(shown_C & creatives.has_image_C)
    for chunk, pixels_CHW3 in render(creatives, wanted, size_px):
        for creative_id, pixels_HW3 in zip(creatives.creative_id_C[chunk], pixels_CHW3, strict=True):
            # Fixed compression and no metadata: equal pixels are equal files.
            Image.fromarray(pixels_HW3).save(folder / f"{creative_id}.png", format="PNG", compress_level=3)
    return len(wanted)


def render(creatives: Creatives, wanted: np.ndarray, size_px: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of creative indices [C] and their pixels, uint8 [C, H, W, 3], until all wanted ones are done."""
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        yield chunk, _render_chunk(creatives, chunk, size_px)


def _render_chunk(creatives: Creatives, chunk: np.ndarray, size_px: int) -> np.ndarray:
    centre = ((np.arange(size_px) + 0.5) / size_px).astype(np.float32)
    y_HW, x_HW = np.meshgrid(centre, centre, indexing="ij")
    canvas = _Canvas(y_HW, x_HW, jitter_CJ=creatives.jitter_CJ[chunk].astype(np.float32))
    hue_C, saturation_C = creatives.hue_C[chunk], creatives.saturation_C[chunk]
    layout_C, face_C = creatives.layout_C[chunk], creatives.face_C[chunk]
    canvas.background(hue_C, saturation_C)
    canvas.text(layout_C, creatives.text_frac_C[chunk])
    canvas.clutter(np.round(creatives.clutter_C[chunk] * NUM_CLUTTER_SHAPES))
    canvas.product(~face_C, layout_C, hue_C)
    canvas.face(face_C, layout_C)
    return canvas.pixels(creatives.contrast_C[chunk])


class _Canvas:
    """Float images of one chunk; every method paints one thing on all of them in place."""

    def __init__(self, y_HW: np.ndarray, x_HW: np.ndarray, jitter_CJ: np.ndarray) -> None:
        self.y, self.x, self.jitter = y_HW[None], x_HW[None], jitter_CJ
        self.image_3CHW = np.empty((3, len(jitter_CJ), *y_HW.shape), dtype=np.float32)

    def _paint(self, mask_CHW: np.ndarray, rgb_C3: np.ndarray) -> None:
        rgb_C3 = np.broadcast_to(rgb_C3, (len(self.jitter), 3)).astype(np.float32)
        for plane_CHW, value_C in zip(self.image_3CHW, rgb_C3.T, strict=True):
            np.copyto(plane_CHW, value_C[:, None, None], where=mask_CHW)

    def _ellipse(self, y_C: np.ndarray, x_C: np.ndarray, ry_C: np.ndarray, rx_C: np.ndarray) -> np.ndarray:
        dy_CH1 = (self.y[:, :, :1] - _column(y_C)) / _column(ry_C)
        dx_C1W = (self.x[:, :1, :] - _column(x_C)) / _column(rx_C)
        return dy_CH1**2 + dx_C1W**2 < 1.0

    def background(self, hue_C: np.ndarray, saturation_C: np.ndarray) -> None:
        angle_C = 2.0 * np.pi * self.jitter[:, 0]
        slope_CHW = (self.x - 0.5) * _column(np.cos(angle_C)) + (self.y - 0.5) * _column(np.sin(angle_C)) + 0.5
        bright_C3 = hsv_to_rgb(hue_C, saturation_C, np.float32(0.88))
        dark_C3 = hsv_to_rgb(hue_C + 0.06 * (self.jitter[:, 1] - 0.5), saturation_C, np.float32(0.62))
        for channel in range(3):
            from_C11, to_C11 = _column(bright_C3[:, channel]), _column(dark_C3[:, channel])
            self.image_3CHW[channel] = from_C11 + (to_C11 - from_C11) * slope_CHW

    def text(self, layout_C: np.ndarray, text_frac_C: np.ndarray) -> None:
        """A light or dark panel whose area is the text share, with lines of words."""
        below_C = layout_C == _TEXT_BELOW
        width_C = np.where(below_C, 0.92, 0.46)
        height_C = text_frac_C / width_C
        left_C = np.where(layout_C == _TEXT_RIGHT, 0.50, 0.04)
        top_C = np.where(below_C, 0.96 - height_C, 0.06)
        y_CH1, x_C1W = self.y[:, :, :1] - _column(top_C), self.x[:, :1, :] - _column(left_C)
        panel_CHW = ((y_CH1 >= 0) & (y_CH1 < _column(height_C))) & ((x_C1W >= 0) & (x_C1W < _column(width_C)))
        line_CH1 = np.floor(y_CH1 / _TEXT_PERIOD)
        words_CHW = np.sin(x_C1W * (28.0 + 14.0 * _column(self.jitter[:, 2])) + 2.4 * line_CH1) > -0.75
        ink_CHW = panel_CHW & (y_CH1 / _TEXT_PERIOD - line_CH1 > 0.45) & words_CHW
        light_C1 = (self.jitter[:, 3] < 0.5)[:, None]
        self._paint(panel_CHW, np.where(light_C1, 0.93, 0.12))
        self._paint(ink_CHW, np.where(light_C1, 0.08, 0.95))

    def clutter(self, num_shapes_C: np.ndarray) -> None:
        """Small discs and squares of any colour, anywhere."""
        for shape in range(NUM_CLUTTER_SHAPES):
            y_C, x_C, size_C, hue_C = self.jitter[:, 16 + 4 * shape : 20 + 4 * shape].T
            radius_C = 0.035 + 0.03 * size_C
            if shape % 2 == 0:
                mask_CHW = self._ellipse(y_C, x_C, radius_C, radius_C)
            else:
                near_CH1 = np.abs(self.y[:, :, :1] - _column(y_C)) < _column(radius_C)
                mask_CHW = near_CH1 & (np.abs(self.x[:, :1, :] - _column(x_C)) < _column(radius_C))
            mask_CHW &= _column(num_shapes_C > shape)
            self._paint(mask_CHW, hsv_to_rgb(hue_C, np.float32(0.9), np.float32(0.25 if shape % 3 == 0 else 1.0)))

    def product(self, drawn_C: np.ndarray, layout_C: np.ndarray, hue_C: np.ndarray) -> None:
        """A box where others have a face, in a colour far from the palette: an object alone does not make a face."""
        y_C, x_C = self._main_place(layout_C)
        half_C = 0.12 + 0.06 * self.jitter[:, 6]
        inside_CH1 = np.abs(self.y[:, :, :1] - _column(y_C)) < _column(half_C)
        box_CHW = inside_CH1 & (np.abs(self.x[:, :1, :] - _column(x_C)) < _column(half_C * 0.8))
        self._paint(box_CHW & _column(drawn_C), hsv_to_rgb(hue_C + 0.35 + 0.3 * self.jitter[:, 7], 0.5, 0.75))

    def face(self, drawn_C: np.ndarray, layout_C: np.ndarray) -> None:
        """Hair, an oval in a skin tone, two eyes and a mouth."""
        y_C, x_C = self._main_place(layout_C)
        ry_C = 0.19 + 0.05 * self.jitter[:, 6]
        rx_C = 0.78 * ry_C
        drawn_C11, tone_C1 = _column(drawn_C), self.jitter[:, 8:9]
        hair_C3 = np.array([0.35, 0.22, 0.12]) * (0.4 + self.jitter[:, 9:10])
        self._paint(self._ellipse(y_C - 0.25 * ry_C, x_C, 1.05 * ry_C, 1.18 * rx_C) & drawn_C11, hair_C3)
        self._paint(
            self._ellipse(y_C + 0.1 * ry_C, x_C, ry_C, rx_C) & drawn_C11,
            _SKIN_LIGHT + (_SKIN_DARK - _SKIN_LIGHT) * tone_C1,
        )
        for side in (-0.42, 0.42):
            eye_CHW = self._ellipse(y_C, x_C + side * rx_C, 0.17 * ry_C, 0.17 * ry_C)
            self._paint(eye_CHW & drawn_C11, np.array([0.08, 0.08, 0.10]))
        mouth_CHW = self._ellipse(y_C + 0.62 * ry_C, x_C, 0.12 * ry_C, 0.40 * rx_C)
        self._paint(mouth_CHW & drawn_C11, np.array([0.70, 0.12, 0.15]))

    def _main_place(self, layout_C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centre (y, x) of the face or product, away from the text."""
        y_C = np.where(layout_C == _TEXT_BELOW, 0.29, 0.52) + 0.08 * (self.jitter[:, 4] - 0.5)
        x_C = np.array([0.74, 0.26, 0.5])[layout_C] + 0.08 * (self.jitter[:, 5] - 0.5)
        return y_C, x_C

    def pixels(self, contrast_C: np.ndarray) -> np.ndarray:
        """uint8 [C, H, W, 3] after pulling every colour towards grey by the lack of contrast."""
        stretched = (self.image_3CHW - 0.5) * _column(0.35 + 0.65 * contrast_C) + 0.5
        return np.ascontiguousarray(np.floor(stretched * 255.0 + 0.5).astype(np.uint8).transpose(1, 2, 3, 0))


def hsv_to_rgb(hue_C: np.ndarray, saturation_C: np.ndarray, value_C: np.ndarray) -> np.ndarray:
    """Red, green and blue in 0 to 1, float [C, 3]; hue may lie outside 0 to 1."""
    k_C3 = (np.array([5.0, 3.0, 1.0]) + 6.0 * np.asarray(hue_C)[:, None]) % 6.0
    ramp_C3 = np.clip(np.minimum(k_C3, 4.0 - k_C3), 0.0, 1.0)
    scale_C1 = np.broadcast_to(np.asarray(value_C) * np.asarray(saturation_C), (len(k_C3),))[:, None]
    return np.broadcast_to(value_C, (len(k_C3),))[:, None] - scale_C1 * ramp_C3


def _column(value_C: np.ndarray) -> np.ndarray:
    return np.asarray(value_C, dtype=bool if np.asarray(value_C).dtype == bool else np.float32)[:, None, None]

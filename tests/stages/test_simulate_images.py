"""The rendered creatives: every trait that moves clicks can be read from the pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from stages.simulate.config import ExchangeConfig
from stages.simulate.creatives import Creatives, launch_creatives
from stages.simulate.images import hsv_to_rgb, render, write_images
from stages.simulate.months import month_index
from stages.simulate.world import draw_world

DEFAULTS = yaml.safe_load((Path(__file__).parents[2] / "conf/exchange/default.yaml").read_text())
SIZE_PX = 32


def some_creatives(num: int = 60) -> Creatives:
    config = ExchangeConfig(**(DEFAULTS | {"creatives_per_month": num, "num_users": 10, "num_sites": 12}))
    return launch_creatives(config, draw_world(config), month_index("2026-05"))


def pixels(creatives: Creatives, **traits: float | bool) -> np.ndarray:
    """Images [C, H, W, 3] in 0 to 1 after setting the same trait on all creatives; all else stays as it was."""
    arrays = {f"{name}_C": np.full(len(creatives), value) for name, value in traits.items()}
    chunks = render(replace(creatives, **arrays), np.arange(len(creatives)), SIZE_PX)
    return np.concatenate([chunk for _, chunk in chunks]) / 255.0


def redness(images: np.ndarray) -> np.ndarray:
    return (images[..., 0] - images[..., 2]).mean(axis=(1, 2))


def roughness(images: np.ndarray) -> np.ndarray:
    """Mean step between neighbouring pixels."""
    return np.abs(np.diff(images, axis=1)).mean(axis=(1, 2, 3)) + np.abs(np.diff(images, axis=2)).mean(axis=(1, 2, 3))


def test_warm_palette_is_redder_than_a_cold_one_in_every_image():
    creatives = some_creatives()
    assert (redness(pixels(creatives, hue=0.06)) > redness(pixels(creatives, hue=0.56))).all()


def test_saturation_moves_colours_away_from_grey():
    creatives = some_creatives()
    grey_distance = [np.ptp(pixels(creatives, saturation=value), axis=3).mean(axis=(1, 2)) for value in (0.9, 0.3)]
    assert (grey_distance[0] > grey_distance[1]).all()


def test_contrast_spreads_the_pixel_values():
    creatives = some_creatives()
    spread = [pixels(creatives, contrast=value).std(axis=(1, 2, 3)) for value in (1.0, 0.0)]
    assert spread[0] / spread[1] == pytest.approx(1.0 / 0.35, rel=0.05)


def test_clutter_roughens_nearly_every_image():
    creatives = some_creatives()
    assert (roughness(pixels(creatives, clutter=1.0)) > roughness(pixels(creatives, clutter=0.0))).mean() > 0.9


@pytest.mark.parametrize("layout", [0, 1, 2])
def test_text_covers_the_share_it_should_where_the_layout_says(layout):
    creatives = some_creatives()
    bare = {"clutter": 0.0, "layout": layout, "contrast": 1.0}
    changed = pixels(creatives, text_frac=0.3, **bare) != pixels(creatives, text_frac=0.0, **bare)
    covered = changed.any(axis=3).mean(axis=(1, 2))
    # Whole pixels cover a little more or less; the face or product may hide some of the panel.
    assert covered == pytest.approx(0.3, abs=0.06)
    rows, columns = (np.argwhere(changed.any(axis=(0, 3))).mean(axis=0) / SIZE_PX).tolist()
    assert {0: columns < 0.4, 1: columns > 0.6, 2: rows > 0.6}[layout]


def test_face_is_a_skin_coloured_oval_with_dark_eyes():
    creatives = some_creatives()
    plain = {"clutter": 0.0, "contrast": 1.0, "layout": 2, "text_frac": 0.03}
    with_face, without = pixels(creatives, face=True, **plain), pixels(creatives, face=False, **plain)
    skin = np.median(with_face[:, 8:13, 13:19].reshape(len(creatives), -1, 3), axis=1)
    assert (skin[:, 0] > skin[:, 2]).all()  # redder than blue whatever the palette
    eyes = with_face[:, 6:14, 8:24].min(axis=(1, 2)).max(axis=1)
    assert (eyes < 0.15).mean() > 0.9
    assert (without[:, 6:14, 8:24].min(axis=(1, 2)).max(axis=1) < 0.15).mean() < 0.1


def test_pixels_do_not_depend_on_which_other_creatives_are_rendered():
    creatives = some_creatives()
    together = dict(zip(range(60), pixels(creatives), strict=True))
    ((_, alone),) = render(creatives, np.array([7]), SIZE_PX)
    assert np.array_equal(alone[0] / 255.0, together[7])


def test_png_holds_exactly_the_rendered_pixels_and_missing_images_are_not_written(tmp_path):
    creatives = some_creatives(10)
    has_image_C = np.arange(10) != 3
    num_written = write_images(replace(creatives, has_image_C=has_image_C), np.arange(10) != 5, SIZE_PX, tmp_path)
    assert num_written == 8
    assert {path.stem for path in tmp_path.iterdir()} == set(creatives.creative_id_C) - set(creatives.creative_id_C[[3, 5]])
    with Image.open(tmp_path / f"{creatives.creative_id_C[0]}.png") as image:
        assert np.array_equal(np.asarray(image) / 255.0, pixels(creatives)[0])


def test_hsv_to_rgb_knows_the_corners_of_the_colour_circle():
    hues = np.array([0.0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1.0])
    expected = [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]]
    assert hsv_to_rgb(hues, 1.0, 1.0) == pytest.approx(np.array(expected), abs=1e-12)
    assert hsv_to_rgb(np.array([0.3]), 0.0, 0.4) == pytest.approx(np.full((1, 3), 0.4))

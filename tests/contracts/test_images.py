"""What is measured of an image, against plain formulas on its pixels."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from contracts.tables.images import decoded, looks_of, pixels_or_reason, resized, to_pixels, unreadable
from tests.serving.pictures import encoded, noise


def by_hand(rgb: Image.Image) -> list[float]:
    """Brightness, contrast and colourfulness, by the formulas as their authors write them."""
    red, green, blue = (np.asarray(rgb, dtype=np.float64)[:, :, channel] for channel in range(3))
    luma = (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255
    one, other = red - green, (red + green) / 2 - blue
    spread, middle = np.sqrt(one.std() ** 2 + other.std() ** 2), np.sqrt(one.mean() ** 2 + other.mean() ** 2)
    return [luma.mean(), luma.std(), spread + 0.3 * middle]


@pytest.mark.parametrize("side", [1, 7, 90, 200])  # fewer pixels and more than are read at once
def test_looks_are_those_of_the_formulas(side):
    rgb = decoded(noise(side, side)).resize((side, 2 * side))
    looks = looks_of(rgb)
    assert (looks.width, looks.height) == (side, 2 * side)
    assert [looks.brightness, looks.contrast, looks.colourfulness] == pytest.approx(by_hand(rgb), abs=1e-9)


def test_looks_of_plain_colours():
    for color, brightness, colourfulness in (
        ((0, 0, 0), 0, 0),
        ((255, 255, 255), 1, 0),
        ((128, 128, 128), 128 / 255, 0),
        ((255, 0, 0), 0.2126, 0.3 * np.hypot(255, 127.5)),
        ((0, 0, 255), 0.0722, 0.3 * 255),
    ):
        looks = looks_of(decoded(encoded(color=color, size=(101, 99))))
        assert looks.contrast == 0
        assert [looks.brightness, looks.colourfulness] == pytest.approx([brightness, colourfulness])


def test_half_black_half_white_has_the_highest_contrast():
    picture = np.zeros((10, 10, 3), dtype=np.uint8)
    picture[:5] = 255
    looks = looks_of(Image.fromarray(picture))
    assert (looks.brightness, looks.contrast, looks.colourfulness) == pytest.approx((0.5, 0.5, 0))


def test_transparency_is_laid_on_white_and_pixels_are_those_of_the_model():
    buffer = BytesIO()
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(buffer, "PNG")
    rgb = decoded(buffer.getvalue())
    assert looks_of(rgb).brightness == pytest.approx(1)
    assert np.array_equal(resized(rgb, 8), to_pixels(buffer.getvalue(), 8)) and (resized(rgb, 8) == 255).all()


def laid_on_white(content: bytes) -> np.ndarray:
    """RGB pixels by way of RGBA, whatever the image is."""
    rgba = Image.open(BytesIO(content)).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba).convert("RGB"))


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "PNG"), ("L", "PNG"), ("L", "JPEG"), ("RGB", "JPEG"), ("P", "PNG"), ("1", "BMP")]
)
@pytest.mark.parametrize("transparent", [False, True])
def test_opaque_images_are_the_same_without_the_way_over_white(mode, kind, transparent):
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 30, 3), dtype=np.uint8)).convert(mode)
    buffer = BytesIO()
    color = {"RGB": picture.getpixel((0, 0)), "L": picture.getpixel((0, 0)), "P": 3}.get(mode)
    picture.save(buffer, kind, **({"transparency": color} if transparent and kind == "PNG" else {}))
    content = buffer.getvalue()
    assert np.array_equal(np.asarray(decoded(content)), laid_on_white(content))
    assert np.array_equal(pixels_or_reason(content, 16), to_pixels(content, 16))


@pytest.mark.parametrize("content", [b"", b"torn", encoded(color=(9, 9, 9), size=(64, 64))[:-30], encoded(size=(16_001, 1000))])
def test_what_is_no_image_has_the_same_reason_whoever_asks(content):
    reason = unreadable(content)
    assert isinstance(reason, str) and "\n" not in reason
    assert pixels_or_reason(content, 16) == reason

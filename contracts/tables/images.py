"""A creative's image as the model sees it: the one place that turns PNG or JPEG bytes into pixels, and measures these."""

import math
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 16_000_000
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")  # Pillow tries no other: some of them start programs
BROKEN = (Image.DecompressionBombError, ValueError, OSError, SyntaxError)  # that Pillow raises of bytes
PLAIN_MODES = ("RGB", "RGBA", "L")
OPAQUE_MODES = ("RGB", "L")  # unless one of their colours is declared to be transparent
LUMA = (0.2126, 0.7152, 0.0722)  # of R, G and B: Recommendation ITU-R BT.709
WHITE = 255.0
UPPER = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))  # pairs of channels
PIXELS_AT_ONCE = 8192  # small enough for the cache, and for one thread


@dataclass(frozen=True, kw_only=True)
class ImageLooks:
    """What can be measured of an image without a model. Brightness and contrast are of the values as they are stored (sRGB)."""

    width: int  # pixels
    height: int
    brightness: float  # mean of the luma, 0 (black) to 1 (white)
    contrast: float  # standard deviation of the luma, 0 to 0.5
    colourfulness: float  # 0 is grey; its authors call 33 moderately, 59 quite and 109 extremely colourful


def check_image(content: bytes) -> None:
    """Raise OSError, ValueError or PIL's errors for bytes that `to_pixels` could not read, or of too many pixels."""
    with _opened(content) as image:
        _refuse_large(image)
        if image.mode in PLAIN_MODES:
            image.load()  # what is left to do for RGBA cannot fail
        else:
            image.convert("RGBA")


def unreadable(content: bytes) -> str | None:
    """What `check_image` raises of these bytes, in one line; None if they are a good image."""
    try:
        check_image(content)
    except BROKEN as error:
        return _one_line(error)
    return None


def pixels_or_reason(content: bytes, size: int) -> np.ndarray | str:
    """What `to_pixels` makes of a good image, or what `unreadable` says of another; decoded once."""
    try:
        with _opened(content) as image:
            _refuse_large(image)
            rgb = _opaque(image)
    except BROKEN as error:
        return _one_line(error)
    return resized(rgb, size)


def to_pixels(content: bytes, size: int) -> np.ndarray:
    """RGB pixels uint8 [3, size, size] of an encoded image; transparency is laid on white.

    Raises OSError, ValueError or PIL's errors for bytes that are no image.
    """
    return resized(decoded(content), size)


def decoded(content: bytes) -> Image.Image:
    """An encoded image in RGB, as large as it came; transparency is laid on white. Raises as `to_pixels` does."""
    with _opened(content) as image:
        return _opaque(image)


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode in OPAQUE_MODES and "transparency" not in image.info:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


def _refuse_large(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width}x{image.height} pixels, more than {MAX_PIXELS}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def resized(rgb: Image.Image, size: int) -> np.ndarray:
    """Pixels uint8 [3, size, size] of an image in RGB."""
    if rgb.size != (size, size):
        rgb = rgb.resize((size, size), Image.Resampling.BOX if min(rgb.size) >= size else Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(rgb, dtype=np.uint8).transpose(2, 0, 1))


def looks_of(rgb: Image.Image) -> ImageLooks:
    """What an image in RGB looks like.

    Colourfulness is M3 of D. Hasler and S. Suesstrunk, "Measuring colourfulness in natural images", Proc. SPIE 5007 (2003):
    of red against green and yellow against blue, in values from 0 to 255, sqrt(sum of the variances) + 0.3 sqrt(sum of the
    squared means). All figures follow from means and covariances of R, G and B, so each pixel is read once.
    """
    (r, g, b), (rr, rg, rb, gg, gb, bb) = _moments(np.asarray(rgb, dtype=np.uint8).reshape(-1, 3))
    of_r, of_g, of_b = LUMA
    luma = of_r * of_r * rr + of_g * of_g * gg + of_b * of_b * bb + 2 * (of_r * of_g * rg + of_r * of_b * rb + of_g * of_b * gb)
    variances = (rr + gg - 2 * rg) + ((rr + gg + 2 * rg) / 4 + bb - rb - gb)  # of R - G and of (R + G) / 2 - B
    return ImageLooks(
        width=rgb.width,
        height=rgb.height,
        brightness=(of_r * r + of_g * g + of_b * b) / WHITE,
        contrast=math.sqrt(max(luma, 0)) / WHITE,  # rounding may leave less than nothing
        colourfulness=math.sqrt(max(variances, 0)) + 0.3 * math.hypot(r - g, (r + g) / 2 - b),
    )


def _moments(pixels_P3: np.ndarray) -> tuple[list[float], list[float]]:
    """Means of R, G and B, and the covariances of UPPER, of P pixels; from sums that are exact."""
    sums, products = np.zeros(3), np.zeros(len(UPPER))
    for start in range(0, len(pixels_P3), PIXELS_AT_ONCE):
        part_3P = np.ascontiguousarray(pixels_P3[start : start + PIXELS_AT_ONCE].T, dtype=np.float64)
        sums += part_3P.sum(axis=1)
        # a channel by a channel: BLAS is four times slower with both as a matrix so narrow
        products += [part_3P[i] @ part_3P[j] for i, j in UPPER]
    number, whole = len(pixels_P3), [int(value) for value in sums]
    pairs = zip(UPPER, products.tolist(), strict=True)
    covariances = [(number * int(product) - whole[i] * whole[j]) / number**2 for (i, j), product in pairs]
    return [value / number for value in whole], covariances


def _opened(content: bytes) -> Image.Image:
    try:
        return Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:  # its own text holds an address in memory
        raise ValueError(f"no image of a kind that is read ({', '.join(FORMATS)}), or empty") from None

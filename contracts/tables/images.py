"""A creative's image as the model sees it: the one place that turns PNG or JPEG bytes into pixels."""

from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 16_000_000
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")  # Pillow tries no other: some of them start programs
PLAIN_MODES = ("RGB", "RGBA", "L")


def check_image(content: bytes) -> None:
    """Raise OSError, ValueError or PIL's errors for bytes that `to_pixels` could not read."""
    with _opened(content) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels, more than {MAX_PIXELS}")
        if image.mode in PLAIN_MODES:
            image.load()  # what is left to do for RGBA cannot fail
        else:
            image.convert("RGBA")


def to_pixels(content: bytes, size: int) -> np.ndarray:
    """RGB pixels uint8 [3, size, size] of an encoded image; transparency is laid on white.

    Raises OSError, ValueError or PIL's errors for bytes that are no image.
    """
    with _opened(content) as image:
        rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    rgb = Image.alpha_composite(white, rgba).convert("RGB")
    if rgb.size != (size, size):
        rgb = rgb.resize((size, size), Image.Resampling.BOX if min(rgb.size) >= size else Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(rgb, dtype=np.uint8).transpose(2, 0, 1))


def _opened(content: bytes) -> Image.Image:
    try:
        return Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:  # its own text holds an address in memory
        raise ValueError(f"no image of a kind that is read ({', '.join(FORMATS)}), or empty") from None

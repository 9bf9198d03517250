"""An image that a client sent, as the pixels that the model looks at, or why it cannot be looked at."""

import warnings
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from contracts.tables.images import to_pixels
from serving.triton.refusal import Refused

FORMATS = ("PNG", "JPEG")


def read_pixels(image: bytes, size: int, limits: dict[str, Any]) -> np.ndarray:
    """Pixels uint8 [3, size, size] of a PNG or JPEG file. Raises Refused, before decoding what is too large."""
    max_bytes, max_pixels = limits["max_image_bytes"], limits["max_image_pixels"]
    if len(image) > max_bytes:
        raise Refused("image_size", f"the image has {len(image)} bytes, at most {max_bytes}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images; the limit below is ours
            with Image.open(BytesIO(image), formats=FORMATS) as header:
                width, height = header.size
            if width * height > max_pixels:
                raise Refused("image_size", f"the image has {width} x {height} pixels, at most {max_pixels} in all")
            return to_pixels(image, size)
    except Refused:
        raise
    except Image.DecompressionBombError:
        raise Refused("image_size", f"the image has far more than the allowed {max_pixels} pixels") from None
    except Image.UnidentifiedImageError:
        raise Refused("image", "no PNG or JPEG file; send the file's bytes as they are") from None
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and more for broken files
        import triton_python_backend_utils as pb_utils  # there inside Triton only

        pb_utils.Logger.log_info(f"unreadable image: {error!r}")
        raise Refused("image", "the image is cut short or broken; send the whole file") from None

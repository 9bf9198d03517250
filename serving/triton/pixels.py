"""An image that a client sent, decoded, or why it cannot be looked at."""

import warnings
from io import BytesIO
from typing import Any

from PIL import Image

from contracts.tables.images import decoded
from serving.triton.refusal import Refused

FORMATS = ("PNG", "JPEG")


def read_image(image: bytes, limits: dict[str, Any]) -> tuple[Image.Image, str]:
    """A PNG or JPEG file in RGB, and which of the two it is. Raises Refused, before decoding what is too large."""
    max_bytes, max_pixels = limits["max_image_bytes"], limits["max_image_pixels"]
    if len(image) > max_bytes:
        raise Refused("image_size", f"the image has {len(image)} bytes, at most {max_bytes}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images; the limit below is ours
            with Image.open(BytesIO(image), formats=FORMATS) as header:
                (width, height), is_png = header.size, header.format == "PNG"  # Pillow has several names for kinds of JPEG
            if width * height > max_pixels:
                raise Refused("image_size", f"the image has {width} x {height} pixels, at most {max_pixels} in all")
            return decoded(image), "PNG" if is_png else "JPEG"
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

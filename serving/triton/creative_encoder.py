"""Triton model `creative_encoder`: PNG or JPEG bytes in, the embedding that the ranker takes out. One image a row."""

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils
from PIL import Image

from contracts.images import to_pixels
from serving.triton.package import check_package, read_json
from serving.triton.refusal import INNER, Refused

FORMATS = ("PNG", "JPEG")


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        folder = Path(args["model_repository"]) / args["model_version"]
        try:
            check_package(folder)
        except ValueError as error:
            raise pb_utils.TritonModelException(str(error)) from None
        settings = read_json(folder / "request.json")
        self._size, self._limits = settings["image_size"], settings["limits"]
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(str(folder / "creative_encoder.onnx"), options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            images = pb_utils.get_input_tensor_by_name(request, "image").as_numpy().ravel().tolist()
            looks = [self._look(image) for image in images]
        except Refused as refusal:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{INNER}{refusal}", pb_utils.TritonError.INVALID_ARG))
        return pb_utils.InferenceResponse([pb_utils.Tensor("creative_emb", np.stack(looks))])

    def _look(self, image: bytes) -> np.ndarray:
        """Embedding [E], computed alone: kernels round by batch size, and the same image shall look the same."""
        pixels = read_pixels(image, self._size, self._limits["max_image_bytes"], self._limits["max_image_pixels"])
        return self._session.run(None, {"creative_pixels": pixels[None]})[0][0]


def read_pixels(image: bytes, size: int, max_bytes: int, max_pixels: int) -> np.ndarray:
    """Pixels uint8 [3, size, size] of a PNG or JPEG file. Raises Refused, before decoding what is too large."""
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
        pb_utils.Logger.log_info(f"unreadable image: {error!r}")
        raise Refused("image", "the image is cut short or broken; send the whole file") from None

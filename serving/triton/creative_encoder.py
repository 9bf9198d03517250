"""Triton model `creative_encoder`: PNG or JPEG bytes in, the embedding that the ranker takes out. One image a row.

Where a journal is kept, what the images look like comes out as well; it is not measured where nobody reads it.
"""

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from contracts.local_libraries import onnx_runtime
from contracts.tables.images import looks_of, resized
from serving.triton.journal.layout import IMAGE_FORMATS
from serving.triton.journal.options import journal_options
from serving.triton.package import open_version
from serving.triton.pixels import read_image
from serving.triton.refusal import INNER, Refused


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        folder, settings = open_version(args)
        self._size, self._limits = settings["image_size"], settings["limits"]
        self._measures = journal_options() is not None
        ort = onnx_runtime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(str(folder / "creative_encoder.onnx"), options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            images = pb_utils.get_input_tensor_by_name(request, "image").as_numpy().ravel().tolist()
            seen = [self._look(image) for image in images]
        except Refused as refusal:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{INNER}{refusal}", pb_utils.TritonError.INVALID_ARG))
        tensors = [pb_utils.Tensor("creative_emb", np.stack([embedding for embedding, _ in seen]))]
        if self._measures:
            tensors.append(pb_utils.Tensor("creative_look", np.stack([look for _, look in seen])))
        return pb_utils.InferenceResponse(tensors)

    def _look(self, image: bytes) -> tuple[np.ndarray, np.ndarray | None]:
        """Embedding [E], computed alone: kernels round by batch size, and the same image shall look the same.

        And width, height, brightness, contrast, colourfulness, number of the format, float64; None if that is not measured.
        """
        rgb, kind = read_image(image, self._limits)
        pixels = resized(rgb, self._size)
        embedding = self._session.run(None, {"creative_pixels": pixels[None]})[0][0]
        if not self._measures:
            return embedding, None
        look = looks_of(rgb)
        figures = (look.width, look.height, look.brightness, look.contrast, look.colourfulness, IMAGE_FORMATS[kind])
        return embedding, np.array(figures, dtype=np.float64)

"""Triton model `creative_encoder`: PNG or JPEG bytes in, the embedding that the ranker takes out. One image a row."""

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from contracts.local_libraries import onnx_runtime
from serving.triton.package import open_version
from serving.triton.pixels import read_pixels
from serving.triton.refusal import INNER, Refused


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        folder, settings = open_version(args)
        self._size, self._limits = settings["image_size"], settings["limits"]
        ort = onnx_runtime()
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
        pixels = read_pixels(image, self._size, self._limits)
        return self._session.run(None, {"creative_pixels": pixels[None]})[0][0]

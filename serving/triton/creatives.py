"""What creatives look like that came with an image: their embeddings, asked of Triton model `creative_encoder`.

That model has Triton's response cache, so an image that was sent before costs a look-up.
"""

from typing import Any

import numpy as np

from serving.triton.counters import Counters
from serving.triton.graph import ModelFailed, NoOutput, call_model
from serving.triton.joined_rows import JoinedRows
from serving.triton.packed_request import IMAGE
from serving.triton.pixels import read_pixels
from serving.triton.refusal import INNER, Refused

ATTEMPTS = 4  # to get an embedding that the cache knows as a failure


class CreativeLooks:
    """Embeddings of images. `no_image_1E` stands where there is none; None if the model looks at no images."""

    def __init__(self, version: int, no_image_1E: np.ndarray | None, settings: dict[str, Any], counters: Counters) -> None:
        self._version, self._no_image_1E, self._counters = version, no_image_1E, counters
        self._size, self._limits = settings["image_size"], settings["limits"]

    def of(self, rows: JoinedRows) -> np.ndarray | None:
        """Embeddings float32 [N, E] of the rows' images; None if no row has one. Refuses requests with a broken image."""
        looks_NE, seen = None, {}
        for request, row, place, image in rows.images():
            if self._no_image_1E is None:
                rows.refuse(request, Refused("image", f"input '{IMAGE}' is given, but this model looks at no images"))
                continue
            if image not in seen:
                seen[image] = self._look(image)
            if isinstance(seen[image], str):
                rows.refuse(request, Refused("image", f"input '{IMAGE}', row {row}: {seen[image]}"))
                continue
            if looks_NE is None:
                looks_NE = np.repeat(self._no_image_1E, rows.num_rows, axis=0)
            looks_NE[place] = seen[image]
        return looks_NE

    def _look(self, image: bytes) -> np.ndarray | str:
        """The image's embedding [E], or what is wrong with it."""
        try:
            found = self._encoded(image)
        except Refused as refusal:
            self._counters.count("adclick_creative_images_total", outcome="refused")
            return str(refusal)
        self._counters.count("adclick_creative_images_total", outcome="encoded")
        return found

    def _encoded(self, image: bytes) -> np.ndarray:
        """The image's embedding [E]. Raises Refused, or ModelFailed if `creative_encoder` does not answer.

        Triton 2.51 keeps failures in its cache as well, as answers without a tensor. So what is wrong with the image is
        found out anew, and one that is right is asked for under another key: as so many copies.
        """
        for copies in range(1, ATTEMPTS + 1):
            sent = np.array([[image]] * copies, dtype=object)
            try:
                return call_model("creative_encoder", self._version, {"image": sent}, ("creative_emb",))["creative_emb"][0]
            except NoOutput:
                read_pixels(image, self._size, self._limits)
            except ModelFailed as failed:
                if not str(failed).startswith(INNER):
                    raise
                raise Refused("image", str(failed).removeprefix(INNER)) from None
        raise ModelFailed(f"creative_encoder failed {ATTEMPTS} times for the same image, and its cache keeps that")

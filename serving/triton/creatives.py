"""What creatives look like that came with an image: their embeddings, asked of Triton model `creative_encoder`.

That model has Triton's response cache, so an image that was sent before costs a look-up.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.triton.counters import Counters
from serving.triton.graph import ModelFailed, NoOutput, call_model
from serving.triton.joined_rows import JoinedRows
from serving.triton.packed_request import IMAGE
from serving.triton.pixels import read_image
from serving.triton.refusal import INNER, Refused

ATTEMPTS = 4  # to get an embedding that the cache knows as a failure


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What the images of N joined rows look like; rows without one have none."""

    emb_NE: np.ndarray  # float32: to the ranker
    look_N: dict[int, np.ndarray]  # as `creative_encoder` measured it, by row; nothing where no journal is kept


class CreativeLooks:
    """Asks what images look like. `no_image_1E` stands where there is none; None if the model looks at no images.

    `measures`: `creative_encoder` measures them, too, which it does where a journal is kept.
    """

    def __init__(
        self, version: int, no_image_1E: np.ndarray | None, settings: dict[str, Any], counters: Counters, measures: bool = False
    ) -> None:
        self._version, self._no_image_1E, self._counters = version, no_image_1E, counters
        self._limits = settings["limits"]
        self._outputs = ("creative_emb", "creative_look") if measures else ("creative_emb",)

    def of(self, rows: JoinedRows) -> Looks | None:
        """What the rows' images look like; None if no row has one. Refuses requests with a broken image."""
        looks: Looks | None = None
        seen: dict[bytes, dict[str, np.ndarray] | str] = {}
        for request, row, place, image in rows.images():
            if self._no_image_1E is None:
                rows.refuse(request, Refused("image", f"input '{IMAGE}' is given, but this model looks at no images"))
                continue
            if image not in seen:
                seen[image] = self._look(image)
            found = seen[image]
            if isinstance(found, str):
                rows.refuse(request, Refused("image", f"input '{IMAGE}', row {row}: {found}"))
                continue
            if looks is None:
                looks = Looks(emb_NE=np.repeat(self._no_image_1E, rows.num_rows, axis=0), look_N={})
            looks.emb_NE[place] = found["creative_emb"]
            if "creative_look" in found:
                looks.look_N[place] = found["creative_look"]
        return looks

    def _look(self, image: bytes) -> dict[str, np.ndarray] | str:
        """What `creative_encoder` says of the image, or what is wrong with it."""
        try:
            found = self._encoded(image)
        except Refused as refusal:
            self._counters.count("adclick_creative_images_total", outcome="refused")
            return str(refusal)
        self._counters.count("adclick_creative_images_total", outcome="encoded")
        return found

    def _encoded(self, image: bytes) -> dict[str, np.ndarray]:
        """The outputs of one image. Raises Refused, or ModelFailed if `creative_encoder` does not answer.

        Triton 2.51 keeps failures in its cache as well, as answers without a tensor. So what is wrong with the image is
        found out anew, and one that is right is asked for under another key: as so many copies.
        """
        for copies in range(1, ATTEMPTS + 1):
            sent = np.array([[image]] * copies, dtype=object)
            try:
                found = call_model("creative_encoder", self._version, {"image": sent}, self._outputs)
                return {name: values[0] for name, values in found.items()}
            except NoOutput:
                read_image(image, self._limits)
            except ModelFailed as failed:
                if not str(failed).startswith(INNER):
                    raise
                raise Refused("image", str(failed).removeprefix(INNER)) from None
        raise ModelFailed(f"creative_encoder failed {ATTEMPTS} times for the same image, and its cache keeps that")

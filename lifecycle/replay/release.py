"""A release out of the store, held against its package, as the graph that it was served with.

Shape letters: N rows, C string columns, M number columns, E creative embedding.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from contracts.local_libraries import onnx_runtime
from contracts.serving.packed_text import PREFIX, codes_of, prefixes
from contracts.serving.releases import PUBLIC, releases
from contracts.tables.images import resized
from lifecycle.journal.images import DamagedImage, NoImage
from lifecycle.journal.images import read_image as kept_image
from lifecycle.replay.batches import GraphBatches
from serving.triton.column_rules import StringRules
from serving.triton.graph import OrtGraph
from serving.triton.joined_text import TextJoiner
from serving.triton.package import check_package, listed_digest, read_json
from serving.triton.pixels import read_image

GRAPH, REQUEST = "ctr_packed.onnx", "request.json"
CAREFUL, CREATIVES = "ctr_careful", "creative_encoder"


class NoRelease(ValueError):
    """The release that answered cannot be run here."""


@dataclass(frozen=True, kw_only=True)
class PackedRows:
    """Rows as the graph takes them."""

    encoded: bytes  # all strings behind their marks
    text_ends_N: np.ndarray  # int64: where each row ends in it
    starts_NC: np.ndarray  # int64: where each string begins
    numbers_NM: np.ndarray  # float32, NaN for missing markers

    def text(self, rows: slice) -> bytes:
        start = int(self.text_ends_N[rows.start - 1]) if rows.start else 0
        return self.encoded[start : int(self.text_ends_N[rows.stop - 1])]


class Released:
    """A release of the store. Raises NoRelease if it is not there, or not what was released."""

    def __init__(self, store: Path, number: int) -> None:
        self.store, self.number, self.folder = store, number, store / PUBLIC / str(number)
        if number not in releases(store):
            raise NoRelease(f"release {number} is not in {store}")
        careful = store / CAREFUL / str(number)
        folders = [self.folder, careful] if careful.is_dir() else [self.folder]
        for folder in folders:
            try:
                check_package(folder)
            except ValueError as error:
                raise NoRelease(f"release {number} is damaged: {folder.parent.name}: {error}") from None
        if not (self.folder / GRAPH).is_file():
            raise NoRelease(f"release {number} is of the container's packaging, which has no {GRAPH}")
        self.settings: dict[str, Any] = read_json(folders[-1] / REQUEST)
        self.digest = listed_digest(self.folder, GRAPH)
        categorical, numeric = self.settings["categorical"], self.settings["numeric"]
        self.string_rules = StringRules(categorical, self.settings["limits"]["max_string_bytes"])
        self.read_fields = [c["field"] for c in categorical if c["used"] and (c["dtype"] != "string" or c["missing"])]
        self.used = {column["name"] for column in categorical + numeric if column["used"]}
        self._markers = [(j, np.array(c["missing_numbers"], np.float32)) for j, c in enumerate(numeric) if c["missing_numbers"]]
        self._graphs: dict[int, OrtGraph] = {}
        self._looks: dict[str, np.ndarray] = {}

    def graph(self, threads: int | None) -> OrtGraph:
        """With as many threads a call as it was served with."""
        number = threads or int(self.settings["ort_threads"])
        if number not in self._graphs:
            self._graphs[number] = OrtGraph(self.folder / GRAPH, number)
        return self._graphs[number]

    @cached_property
    def separator(self) -> str:
        return self.graph(None).separator

    @cached_property
    def joiner(self) -> TextJoiner:
        return TextJoiner(len(self._codes), self.separator, self._codes)

    @property
    def _codes(self) -> list[int]:
        return codes_of(self.settings["categorical"])

    @property
    def no_image_1E(self) -> np.ndarray | None:
        found = self.settings["no_image"]
        return None if found is None else np.array([found], dtype=np.float32)

    def check(self, batches: GraphBatches) -> None:
        """Raises NoRelease if this cannot be the release that answered."""
        kinds = [[(c["name"], c["dtype"]) for c in self.settings[kind]] for kind in ("categorical", "numeric")]
        if kinds != [[*batches.kind.strings], [*batches.kind.numbers]]:
            raise NoRelease(f"release {self.number} of {self.store} takes other columns than the one that answered")
        if batches.writing.graph not in (None, self.digest):
            raise NoRelease(
                f"release {self.number} of {self.store} is another than the one that answered: its graph's sha-256 is "
                f"{str(self.digest)[:12]}, the record says {batches.writing.graph[:12]}"
            )

    def pack(self, batches: GraphBatches) -> PackedRows:
        """The rows as a request's bytes would give them: strings behind their marks, missing markers as NaN."""
        num_rows, columns = batches.lengths_NC.shape
        lengths = batches.lengths_NC.ravel()
        ends = np.cumsum(lengths + PREFIX)
        starts = ends - lengths
        encoded, is_text = (np.empty(len(batches.text) + PREFIX * len(lengths), dtype=kind) for kind in (np.uint8, np.bool_))
        is_text[:] = True
        marks = np.tile(
            prefixes(columns, self.separator, self._codes).view("<u4").ravel() if columns else np.empty(0, "<u4"), num_rows
        )
        for array, words in ((encoded, marks), (is_text, np.uint32(0))):
            _four_from_each(array)[starts - PREFIX] = words
        encoded[is_text] = np.frombuffer(batches.text, dtype=np.uint8)
        numbers_NM = batches.numbers_NM
        if self._markers:
            numbers_NM = numbers_NM.copy()
            for j, markers in self._markers:
                numbers_NM[np.isin(numbers_NM[:, j], markers), j] = np.nan
        return PackedRows(
            encoded=encoded.tobytes(),
            text_ends_N=ends.reshape(num_rows, columns)[:, -1] if columns else np.zeros(num_rows, dtype=np.int64),
            starts_NC=starts.reshape(num_rows, columns),
            numbers_NM=np.ascontiguousarray(numbers_NM, dtype=np.float32),
        )

    def look(self, journal: Path, digest: str) -> np.ndarray | None:
        """The embedding float32 [E] of an image that the journal kept; None if it did not, or it is damaged."""
        if digest not in self._looks:
            try:
                image = kept_image(journal, digest)
            except (NoImage, DamagedImage):
                return None
            pixels = resized(read_image(image, self.settings["limits"])[0], self.settings["image_size"])
            self._looks[digest] = self._encoder.run(None, {"creative_pixels": pixels[None]})[0][0]
        return self._looks[digest]

    @cached_property
    def _encoder(self) -> Any:
        """As Triton model `creative_encoder` runs it."""
        folder, ort = self.store / CREATIVES / str(self.number), onnx_runtime()
        try:
            check_package(folder)
        except ValueError as error:
            raise NoRelease(f"release {self.number} is damaged: {CREATIVES}: {error}") from None
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        return ort.InferenceSession(str(folder / f"{CREATIVES}.onnx"), options, providers=["CPUExecutionProvider"])

    def manifest(self) -> dict[str, Any]:
        """What the export says of itself; empty if it does not."""
        path = self.folder / "manifest.json"
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
        return found


def _four_from_each(array: np.ndarray) -> np.ndarray:
    """Four bytes from every byte on, as one number each."""
    return np.ndarray(max(len(array) - PREFIX + 1, 0), "<u4", buffer=array, strides=(1,))

"""Scores clean rows with the exported model: `encoder.onnx`, then `ranker.onnx`. Evaluation and bulk scoring both call
this, so they give the same probabilities to the last bit.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pyarrow.parquet as pq
from onnx import numpy_helper

from contracts.tables.images import to_pixels
from stages.features.apply import Encoded, Encoder
from stages.files import read_json, sha256_file
from stages.onnx_session import open_session

RANKER_ROWS = 4096  # every call to the ranker has this many rows, padded: kernels round by batch size
NUM_THREADS = 2
BATCH_ROWS = 1 << 17


def check_export(folder: Path) -> None:
    """Raise ValueError unless `folder` holds the files that its manifest names, unchanged."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise ValueError(f"{manifest} is missing: there is no exported model; run `make repro` first")
    for name, digest in read_json(manifest)["files"].items():
        path = folder / name
        if not path.is_file() or sha256_file(path) != digest:
            what = "is not the file that was exported" if path.is_file() else "is missing"
            raise ValueError(f"{path} {what} (by {manifest.name}); run `dvc checkout` or stage export again")


class Scorer:
    """An exported model, ready to score clean rows."""

    def __init__(self, export_dir: Path) -> None:
        """Raises ValueError if the folder's files are not those that were exported."""
        check_export(export_dir)
        self.encoder = Encoder(export_dir / "encoder.onnx")
        self._ranker = open_session(export_dir / "ranker.onnx")
        self._inputs = {value.name for value in self._ranker.get_inputs()}
        self._no_image = _default_embedding(export_dir / "ranker.onnx")
        self._embeddings: dict[str, np.ndarray] = {}  # of unseen creatives, by id
        looks = export_dir / "creative_encoder.onnx"
        self._creative_encoder = open_session(looks) if looks.is_file() else None
        self._image_size = read_json(export_dir / "features.json")["image_size"]
        self._pool = ThreadPoolExecutor(NUM_THREADS)

    def score(self, rows: pl.DataFrame, images: pl.DataFrame | None = None, creative: str | None = None) -> np.ndarray:
        """Probabilities float32 [N] of clean rows. `images` (creative_id, image bytes) shows creatives that the model
        has not seen, named in column `creative`; without an image such a creative counts as one without image.
        """
        return self.rank(*self.encode(rows, images, creative))

    def encode(
        self, rows: pl.DataFrame, images: pl.DataFrame | None = None, creative: str | None = None
    ) -> tuple[Encoded, np.ndarray | None]:
        """What the ranker takes of clean rows, and vectors [N, E] of unseen creatives that are shown, None if there are none."""
        encoded = self.encoder.encode(rows)
        vectors = None
        if images is not None and self._creative_encoder is not None and encoded.creative_idx is not None:
            vectors = self._vectors(rows[creative].cast(pl.String), encoded.creative_idx, images)
        return encoded, vectors

    def rank(self, encoded: Encoded, vectors: np.ndarray | None) -> np.ndarray:
        """Probabilities float32 [N] of encoded rows."""
        starts = range(0, len(encoded.cat_idx), RANKER_ROWS)
        parts = self._pool.map(lambda start: self._rank(encoded, vectors, slice(start, start + RANKER_ROWS)), starts)
        return np.concatenate([np.empty(0, dtype=np.float32), *parts])

    def _rank(self, encoded: Encoded, vectors: np.ndarray | None, rows: slice) -> np.ndarray:
        feed = {"cat_idx": encoded.cat_idx, "num_feats": encoded.num_feats, "creative_idx": encoded.creative_idx}
        if vectors is not None:
            feed["creative_emb"] = vectors
        num_rows = len(encoded.cat_idx[rows])
        padded = {
            name: _pad(array[rows])
            for name, array in feed.items()
            if array is not None and name in self._inputs | {"creative_emb"}
        }
        return self._ranker.run(["p_click"], padded)[0][:num_rows]

    def _vectors(self, ids: pl.Series, idx_N: np.ndarray, images: pl.DataFrame) -> np.ndarray | None:
        """Embeddings [N, E] of the rows' creatives where the model has not seen them; None if there are none such."""
        unseen = ids.filter(pl.Series(idx_N == 0)).unique()
        shown = images.filter(pl.col("creative_id").is_in(unseen.implode())).sort("creative_id")
        if shown.is_empty():
            return None
        table = np.concatenate([self._no_image, *(self._look(*creative) for creative in shown.iter_rows())])
        position = {creative_id: i + 1 for i, creative_id in enumerate(shown["creative_id"])}
        return table[ids.replace_strict(position, default=0, return_dtype=pl.Int64).to_numpy()]

    def _look(self, creative_id: str, content: bytes) -> np.ndarray:
        """Embedding [1, E] of an image, always computed alone: kernels round by batch size."""
        if creative_id not in self._embeddings:
            pixels = to_pixels(content, self._image_size)[None]
            self._embeddings[creative_id] = self._creative_encoder.run(None, {"creative_pixels": pixels})[0]
        return self._embeddings[creative_id]


def _default_embedding(ranker: Path) -> np.ndarray | None:
    """Embedding [1, E] of no image, as the ranker holds it; None if the model looks at no images."""
    constants = onnx.load(ranker).graph.initializer
    return next((numpy_helper.to_array(value) for value in constants if value.name == "creative_emb"), None)


def _pad(array: np.ndarray) -> np.ndarray:
    if len(array) == RANKER_ROWS:
        return array
    padded = np.zeros((RANKER_ROWS, *array.shape[1:]), dtype=array.dtype)
    padded[: len(array)] = array
    return padded


def parquet_batches(path: Path, columns: list[str]) -> Iterator[pl.DataFrame]:
    """The rows of `path` in bounded pieces."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            yield pl.from_arrow(batch)


def score_split(export_dir: Path, split_parquet: Path) -> np.ndarray:
    """Probabilities float32 [N] of a split, in its order; every creative of the data set is in the ranker's table."""
    scorer = Scorer(export_dir)
    return np.concatenate([scorer.score(rows) for rows in parquet_batches(split_parquet, scorer.encoder.inputs)])

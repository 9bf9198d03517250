"""Scores clean rows with the exported model: `encoder.onnx`, then `ranker.onnx`. Evaluation and bulk scoring both call
this, so they give the same probabilities to the last bit.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import polars as pl
from onnx import numpy_helper

from contracts.tables.clean_rows import CleanRows
from contracts.tables.parquet import streamed
from stages.features.apply import Encoded, Encoder
from stages.files import read_json, sha256_file
from stages.onnx_session import open_session
from stages.scoring.creatives import ImageTable, ShownImages, UnseenCreatives

RANKER_ROWS = 256  # every call to the ranker has this many rows, padded: kernels round by batch size; more leave the core's cache
TASK_ROWS = 8192  # that a thread ranks at a time
NUM_THREADS = 2
BATCH_ROWS = 1 << 17
Rows = pl.DataFrame | CleanRows
Images = ShownImages | pl.DataFrame | None  # a frame of (creative_id, image)


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
        looks, size = export_dir / "creative_encoder.onnx", read_json(export_dir / "features.json")["image_size"]
        self.unseen = UnseenCreatives(looks, size, _default_embedding(export_dir / "ranker.onnx")) if looks.is_file() else None
        self._pool = ThreadPoolExecutor(NUM_THREADS)

    def score(self, rows: Rows, images: Images = None, creative: str | None = None) -> np.ndarray:
        """Probabilities float32 [N] of clean rows. `images` shows creatives that the model has not seen, named in column
        `creative`; without an image such a creative counts as one without image.
        """
        return self.rank(*self.encode(rows, images, creative))

    def encode(self, rows: Rows, images: Images = None, creative: str | None = None) -> tuple[Encoded, np.ndarray | None]:
        """What the ranker takes of clean rows, and vectors [N, E] of unseen creatives that are shown, None if there are none."""
        encoded = self.encoder.encode(rows)
        vectors = None
        if images is not None and self.unseen is not None and encoded.creative_idx is not None:
            is_unknown = encoded.creative_idx == 0
            if is_unknown.any():
                ids = (rows.column(creative) if isinstance(rows, CleanRows) else rows[creative]).cast(pl.String)
                shown = ImageTable(images) if isinstance(images, pl.DataFrame) else images
                vectors = self.unseen.vectors(ids, ids.filter(pl.Series(is_unknown)).unique().drop_nulls(), shown)
        return encoded, vectors

    def rank(self, encoded: Encoded, vectors: np.ndarray | None) -> np.ndarray:
        """Probabilities float32 [N] of encoded rows."""
        feed = {"cat_idx": encoded.cat_idx, "num_feats": encoded.num_feats, "creative_idx": encoded.creative_idx}
        feed = {name: array for name, array in feed.items() if array is not None and name in self._inputs}
        if vectors is not None:
            feed["creative_emb"] = vectors
        p_click_N = np.empty(len(encoded.cat_idx), dtype=np.float32)
        starts = range(0, len(p_click_N), TASK_ROWS)
        for _ in self._pool.map(lambda start: self._rank(feed, p_click_N, slice(start, start + TASK_ROWS)), starts):
            pass
        return p_click_N

    def _rank(self, feed: dict[str, np.ndarray], p_click_N: np.ndarray, rows: slice) -> None:
        """Fill in the probabilities of some rows."""
        for start in range(rows.start, min(rows.stop, len(p_click_N)), RANKER_ROWS):
            part = slice(start, start + RANKER_ROWS)
            found = self._ranker.run(["p_click"], {name: _pad(array[part]) for name, array in feed.items()})[0]
            p_click_N[part] = found[: len(p_click_N[part])]


def _default_embedding(ranker: Path) -> np.ndarray:
    """Embedding [1, E] of no image, as a ranker that looks at images holds it."""
    constants = onnx.load(ranker).graph.initializer
    return next(numpy_helper.to_array(value) for value in constants if value.name == "creative_emb")


def _pad(array: np.ndarray) -> np.ndarray:
    if len(array) == RANKER_ROWS:
        return array
    padded = np.zeros((RANKER_ROWS, *array.shape[1:]), dtype=array.dtype)
    padded[: len(array)] = array
    return padded


def parquet_batches(path: Path, columns: list[str]) -> Iterator[pl.DataFrame]:
    """The rows of `path` in bounded pieces."""
    with streamed(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            yield pl.from_arrow(batch)


def score_split(export_dir: Path, split_parquet: Path) -> np.ndarray:
    """Probabilities float32 [N] of a split, in its order; every creative of the data set is in the ranker's table."""
    scorer = Scorer(export_dir)
    return np.concatenate([scorer.score(rows) for rows in parquet_batches(split_parquet, scorer.encoder.inputs)])

"""Does ONNX Runtime give the probabilities that torch gives: every test row, at several batch sizes.

Shape letters: N rows.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from torch import Tensor
from tqdm import tqdm

from contracts.serving.packed_text import text_of
from contracts.serving.request import NUMERIC, RequestSpec, numbers, strings
from stages.exporting.packed import SEPARATOR, TEXT
from stages.models.calibration import calibrated_probability
from stages.models.encoded_arrays import EncodedSplit
from stages.models.network import ENCODE_IMAGES, CtrNetwork
from stages.onnx_session import open_session

if TYPE_CHECKING:
    import onnxruntime as ort

TORCH_ROWS = 8192


def torch_probabilities(network: CtrNetwork, split: EncodedSplit, table_CE: np.ndarray | None) -> np.ndarray:
    """What torch says, float32 [N]."""
    with torch.inference_mode():
        logits = torch_logits(network, split, table_CE)
        return np.concatenate([calibrated_probability(logit_B, network.calibration).numpy() for logit_B in logits])


def torch_logits(network: CtrNetwork, split: EncodedSplit, table_CE: np.ndarray | None) -> list[Tensor]:
    """The logits of a split, before any calibration, float32 [B] a piece."""
    parts = []
    emb = None if table_CE is None else torch.from_numpy(table_CE)
    with torch.inference_mode():
        for start in range(0, len(split), TORCH_ROWS):
            rows = slice(start, start + TORCH_ROWS)
            cat_idx = torch.from_numpy(split.cat_idx_NF[rows].astype(np.int64))
            position = None if emb is None else torch.from_numpy(split.creative_idx_N[rows].astype(np.int64))
            logit = network(cat_idx, torch.from_numpy(np.array(split.num_feats_NM[rows])), emb, position)
            parts.append(logit)
    return parts


def ranker_feed(split: EncodedSplit) -> dict[str, np.ndarray]:
    feed = {"cat_idx": split.cat_idx_NF.astype(np.int64), "num_feats": np.array(split.num_feats_NM)}
    return feed if split.creative_idx_N is None else {**feed, "creative_idx": split.creative_idx_N.astype(np.int64)}


def raw_feed(rows: pl.DataFrame, session: "ort.InferenceSession") -> dict[str, np.ndarray]:
    """The columns that the fused graph takes, as it takes them."""
    kinds = {value.name: value.type for value in session.get_inputs()}
    return {
        name: strings(rows[name]).to_numpy().astype(object) if kind == "tensor(string)" else numbers(rows[name]).to_numpy()
        for name, kind in kinds.items()
    }


Feed = Callable[[slice], dict[str, np.ndarray]]  # what a graph takes of some rows


def sliced(feed: dict[str, np.ndarray]) -> Feed:
    return lambda rows: {name: array[rows] for name, array in feed.items()}


def packed_feed(rows: pl.DataFrame, request: RequestSpec, session: "ort.InferenceSession") -> Feed:
    """Rows as `ctr_packed.onnx` takes them: one text, one matrix."""
    separator = session.get_modelmeta().custom_metadata_map[SEPARATOR]
    taken = {value.name for value in session.get_inputs()}
    texts = rows.select(strings(rows[column.name]) for column in request.categorical)
    floats = rows.select(numbers(rows[column.name]) for column in request.numeric).to_numpy().astype(np.float32)

    def feed(some: slice) -> dict[str, np.ndarray]:
        found = {}
        if TEXT in taken:
            found[TEXT] = np.array([text_of(texts[some].iter_rows(), separator, request.codes)], dtype=object)
        if NUMERIC in taken:
            found[NUMERIC] = np.ascontiguousarray(floats[some])
        return found

    return feed


def largest_difference(graph: Path, feed: Feed, expected_N: np.ndarray, batch_size: int) -> float:
    """max |p_onnx - p_torch| over the rows, in calls of `batch_size` rows (the last may be shorter); NaN if one is NaN."""
    session = open_session(graph)
    taken = {value.name for value in (*session.get_inputs(), *session.get_overridable_initializers())}
    halves = np.array_split(np.arange(0, len(expected_N), batch_size), 2)

    def worst(starts: np.ndarray) -> float:
        largest = 0.0
        for start in starts:
            rows = slice(start, min(start + batch_size, len(expected_N)))
            p = session.run(["p_click"], {name: array for name, array in feed(rows).items() if name in taken})[0]
            largest = np.maximum(largest, np.abs(p - expected_N[rows]).max())  # NaN, where there is one
        return float(largest)

    with ThreadPoolExecutor(2) as pool:
        return float(np.max(list(pool.map(worst, [half for half in halves if len(half)]))))


def check_parity(
    export_dir: Path,
    network: CtrNetwork,
    split: EncodedSplit,
    rows: pl.DataFrame,
    request: RequestSpec,
    table_CE: np.ndarray | None,
    image_CCSS: np.ndarray | None,
    batch_sizes: tuple[int, ...],
    fused_rows: int,
) -> dict[str, float]:
    """Largest differences by graph and batch size. The fused graphs see all rows at the largest size, else `fused_rows`.

    At the largest size the ranker also sees all creatives as ones it does not know, by what `creative_encoder.onnx` makes of
    their images.
    """
    expected_N = torch_probabilities(network, split, table_CE)
    fused, packed = (export_dir / f"{name}.onnx" for name in ("ctr", "ctr_packed"))
    raw = sliced(raw_feed(rows, open_session(fused)))
    text = packed_feed(rows, request, open_session(packed))
    found = {}
    for size in tqdm(batch_sizes, desc="parity", unit="batch size", disable=None):
        found[f"ranker_batch_{size}"] = largest_difference(
            export_dir / "ranker.onnx", sliced(ranker_feed(split)), expected_N, size
        )
        part = slice(None) if size == max(batch_sizes) else slice(fused_rows)
        found[f"ctr_batch_{size}"] = largest_difference(fused, raw, expected_N[part], size)
        found[f"ctr_packed_batch_{size}"] = largest_difference(packed, text, expected_N[part], size)
    if table_CE is not None:
        looked_at = pixels_feed(split, export_dir / "creative_encoder.onnx", table_CE[:1], image_CCSS)
        size = max(batch_sizes)
        found[f"creative_encoder_batch_{size}"] = largest_difference(export_dir / "ranker.onnx", looked_at, expected_N, size)
    return found


def pixels_feed(split: EncodedSplit, encoder: Path, no_image_1E: np.ndarray, image_CCSS: np.ndarray) -> Feed:
    """Encoded rows whose creatives are all unknown to the ranker and come with the embedding of their image."""
    session = open_session(encoder)
    starts = range(1, len(image_CCSS), ENCODE_IMAGES)
    pieces = [session.run(None, {"creative_pixels": np.array(image_CCSS[i : i + ENCODE_IMAGES])})[0] for i in starts]
    emb_CE = np.concatenate([no_image_1E, *pieces])
    known = sliced(ranker_feed(split))

    def feed(some: slice) -> dict[str, np.ndarray]:
        idx_N = split.creative_idx_N[some]
        unknown = np.zeros(len(idx_N), dtype=np.int64)
        return known(some) | {"creative_idx": unknown, "creative_emb": emb_CE[idx_N]}

    return feed

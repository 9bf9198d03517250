"""Does ONNX Runtime give the probabilities that torch gives: every test row, at several batch sizes.

Shape letters: N rows.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
import polars as pl
import torch
from tqdm import tqdm

from contracts.request import numbers, strings
from stages.models.encoded_arrays import EncodedSplit
from stages.models.network import CtrNetwork
from stages.scoring import open_session

TORCH_ROWS = 8192


def torch_probabilities(network: CtrNetwork, split: EncodedSplit, table_CE: np.ndarray | None) -> np.ndarray:
    """What torch says, float32 [N]."""
    parts = []
    emb = None if table_CE is None else torch.from_numpy(table_CE)
    with torch.inference_mode():
        for start in range(0, len(split), TORCH_ROWS):
            rows = slice(start, start + TORCH_ROWS)
            cat_idx = torch.from_numpy(split.cat_idx_NF[rows].astype(np.int64))
            position = None if emb is None else torch.from_numpy(split.creative_idx_N[rows].astype(np.int64))
            logit = network(cat_idx, torch.from_numpy(np.array(split.num_feats_NM[rows])), emb, position)
            parts.append(torch.sigmoid(logit).numpy())
    return np.concatenate(parts)


def ranker_feed(split: EncodedSplit) -> dict[str, np.ndarray]:
    feed = {"cat_idx": split.cat_idx_NF.astype(np.int64), "num_feats": np.array(split.num_feats_NM)}
    return feed if split.creative_idx_N is None else {**feed, "creative_idx": split.creative_idx_N.astype(np.int64)}


def raw_feed(rows: pl.DataFrame, session: ort.InferenceSession) -> dict[str, np.ndarray]:
    """The columns that the fused graph takes, as it takes them."""
    kinds = {value.name: value.type for value in session.get_inputs()}
    return {
        name: strings(rows[name]).to_numpy().astype(object) if kind == "tensor(string)" else numbers(rows[name]).to_numpy()
        for name, kind in kinds.items()
    }


def largest_difference(graph: Path, feed: dict[str, np.ndarray], expected_N: np.ndarray, batch_size: int) -> float:
    """max |p_onnx - p_torch| over all rows, in calls of `batch_size` rows (the last may be shorter)."""
    session = open_session(graph)
    taken = {value.name for value in session.get_inputs()}
    arrays = {name: array for name, array in feed.items() if name in taken}
    halves = np.array_split(np.arange(0, len(expected_N), batch_size), 2)

    def worst(starts: np.ndarray) -> float:
        largest = 0.0
        for start in starts:
            rows = slice(start, start + batch_size)
            p = session.run(["p_click"], {name: array[rows] for name, array in arrays.items()})[0]
            largest = max(largest, float(np.abs(p - expected_N[rows]).max()))
        return largest

    with ThreadPoolExecutor(2) as pool:
        return max(pool.map(worst, [half for half in halves if len(half)]))


def check_parity(
    export_dir: Path,
    network: CtrNetwork,
    split: EncodedSplit,
    rows: pl.DataFrame,
    table_CE: np.ndarray | None,
    batch_sizes: tuple[int, ...],
    fused_rows: int,
) -> dict[str, float]:
    """Largest differences by graph and batch size. ctr.onnx sees all rows at the largest size, else `fused_rows`."""
    expected_N = torch_probabilities(network, split, table_CE)
    ranker, fused = export_dir / "ranker.onnx", export_dir / "ctr.onnx"
    encoded, raw = ranker_feed(split), raw_feed(rows, open_session(fused))
    found = {}
    for size in tqdm(batch_sizes, desc="parity", unit="batch size", disable=None):
        found[f"ranker_batch_{size}"] = largest_difference(ranker, encoded, expected_N, size)
        part = slice(None) if size == max(batch_sizes) else slice(fused_rows)
        found[f"ctr_batch_{size}"] = largest_difference(fused, {name: a[part] for name, a in raw.items()}, expected_N[part], size)
    return found

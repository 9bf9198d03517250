"""Stage encode: arrays are the encoder's outputs, whatever the size of the pieces they are written in."""

from pathlib import Path

import numpy as np
import polars as pl

from stages import encode
from stages.features.apply import Encoder
from tests.stages.pipeline_world import declaration, run, write_month, write_params


def test_arrays_are_the_same_in_small_and_in_large_pieces(project, monkeypatch):
    for month in (1, 2):
        write_month(project / "source", month)
    write_params(declaration())
    run("acquire", "validate", "split", "fit", "encode")
    first = {path: path.read_bytes() for path in Path("data/encoded").rglob("*.npy")}
    rows = pl.read_parquet("data/split/train.parquet")
    encoded = Encoder(Path("artifacts/encoder.onnx")).encode(rows)
    np.testing.assert_array_equal(np.load("data/encoded/train/cat_idx.npy"), encoded.cat_idx)
    np.testing.assert_array_equal(np.load("data/encoded/train/num_feats.npy"), encoded.num_feats)
    monkeypatch.setattr(encode, "BATCH_ROWS", 7)
    run("encode")
    assert {path: path.read_bytes() for path in Path("data/encoded").rglob("*.npy")} == first

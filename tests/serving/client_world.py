"""Rows for the client as they were delivered, what evaluation says of them, and the client asked from asyncio."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from serving.client import AsyncCtrClient, Prediction
from serving.server.server import TritonServer
from stages.scoring.scorer import score_split
from tests.serving.strict_world import strict_rows

PROTOCOLS = ("grpc", "http")
ALLOWED = 1e-6
RAW = strict_rows(2, 300)  # the test month: missing markers, words for truth values, columns that the model does not take


def truth_of(strict_exported: Path) -> dict[int, float]:
    """What evaluation says of the test month, by the id of the row."""
    rows = strict_exported / "data/split/test.parquet"
    p = score_split(strict_exported / "artifacts/export", rows)
    assert p.std() > 0.05 and len(p) == 300
    return dict(zip(pl.read_parquet(rows)["id"].to_list(), p.tolist(), strict=True))


def assert_answers(answer: Prediction, rows: pl.DataFrame, truth: dict[int, float]) -> None:
    assert np.abs(answer.probability - [truth[row] for row in rows["id"]]).max() <= ALLOWED
    assert answer.model_version.tolist() == [1] * len(rows)
    assert (answer.probability.dtype, answer.model_version.dtype) == (np.float32, np.int64)


def url_of(server: TritonServer, protocol: str) -> str:
    return server.grpc_url if protocol == "grpc" else server.http_url


def predict_async(url: str, protocol: str, *args: Any, settings: dict[str, Any] | None = None, **options: Any) -> Prediction:
    """`predict` of a client that lives in an event loop of its own."""

    async def ask() -> Prediction:
        async with AsyncCtrClient(url, protocol, **(settings or {})) as client:
            return await client.predict(*args, **options)

    return asyncio.run(ask())

"""Requests and rows a second of the served model, over gRPC and HTTP, and what an image is worth for a new creative.

Server and client share the machine's cores. Reads the checkout's own export and test split.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import tritonclient.grpc as grpc
import tritonclient.grpc.aio as grpc_aio
import tritonclient.http.aio as http_aio
from pydantic import TypeAdapter

from bench.figures import Figure
from contracts.declaration import Declaration
from contracts.raw import partitions, read_images
from contracts.request import CATEGORICAL, IMAGE, NUMERIC, numbers, request_of, strings
from serving.server import EXPORTED
from serving.settings import load_server_config
from serving.trial import trial_server
from stages.files import read_json
from stages.scoring import open_session

EXPORT_DIR, TEST, RAW = Path("artifacts/export"), Path("data/split/test.parquet"), Path("data/raw")
WORKLOADS = ((1, 1), (1, 16), (1, 64), (16, 16), (128, 8))  # rows a request, clients
SECONDS = 5.0
SHOWN_ROWS = 20_000  # test rows of creatives that training has not seen
DRAWS = 1000


def measure() -> list[Figure]:
    if not EXPORTED.is_dir() or not TEST.is_file():
        return [Figure(what="served model", figure="not measured: nothing is exported; run `make repro` first")]
    declaration = TypeAdapter(Declaration).validate_python(read_json(EXPORT_DIR / "declaration.json"))
    rows = pl.read_parquet(TEST).head(SHOWN_ROWS)
    categorical, numeric = packed(rows, declaration)
    with trial_server(EXPORTED, load_server_config()) as server:
        figures = [in_process(rows)]
        for num_rows, clients in WORKLOADS:
            for protocol, url, module in (("gRPC", server.grpc_url, grpc_aio), ("HTTP", server.http_url[7:], http_aio)):
                load = asyncio.run(run_load(module, url, categorical, numeric, num_rows, clients))
                figures.append(described(protocol, num_rows, clients, load))
        return [*figures, *worth_of_images(server.grpc_url, declaration)]


def packed(rows: pl.DataFrame, declaration: Declaration) -> tuple[np.ndarray, np.ndarray]:
    """The two tensors of a request: strings object [N, C] and float32 [N, M]."""
    request = request_of(declaration)
    categorical = rows.select(strings(rows[c.name]) for c in request.categorical).to_numpy().astype(object)
    numeric = rows.select(numbers(rows[c.name]) for c in request.numeric).to_numpy().astype(np.float32)
    return categorical, numeric


def in_process(rows: pl.DataFrame) -> Figure:
    """The graph alone, one thread, batches of 128: what serving could reach if it cost nothing."""
    session = open_session(EXPORT_DIR / "ctr.onnx")
    kinds = {value.name: value.type for value in session.get_inputs()}
    columns = {
        name: strings(rows[name]).to_numpy().astype(object) if kind == "tensor(string)" else numbers(rows[name]).to_numpy()
        for name, kind in kinds.items()
    }
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        start = done % (len(rows) - 128)
        session.run(["p_click"], {name: values[start : start + 128] for name, values in columns.items()})
        done += 128
    rate = done / (time.perf_counter() - started)
    return Figure(what="`ctr.onnx` in process, one thread, 128 rows a call", figure=f"{rate:,.0f} rows/s")


async def run_load(
    module: object, url: str, categorical: np.ndarray, numeric: np.ndarray, num_rows: int, clients: int
) -> np.ndarray:
    """Latencies [R] in ms of the requests that `clients` sent one after the other for SECONDS."""
    client = module.InferenceServerClient(url, **({"conn_limit": clients} if module is http_aio else {}))
    latencies: list[float] = []
    starts = range(0, min(200 * num_rows, len(numeric) - num_rows), num_rows)
    bodies = [inputs(module, categorical[i : i + num_rows], numeric[i : i + num_rows]) for i in starts]
    end = time.perf_counter() + SECONDS

    async def one(number: int) -> None:
        while time.perf_counter() < end:
            started = time.perf_counter()
            await client.infer("ctr", bodies[(number + len(latencies)) % len(bodies)])
            latencies.append((time.perf_counter() - started) * 1e3)

    await asyncio.gather(*(one(number) for number in range(clients)))
    await client.close()
    return np.array(latencies)


def inputs(module: object, categorical: np.ndarray, numeric: np.ndarray, images: np.ndarray | None = None) -> list:
    found = []
    for name, values, kind in ((CATEGORICAL, categorical, "BYTES"), (NUMERIC, numeric, "FP32"), (IMAGE, images, "BYTES")):
        if values is not None:
            found.append(module.InferInput(name, list(values.shape), kind))
            found[-1].set_data_from_numpy(np.ascontiguousarray(values))
    return found


def described(protocol: str, num_rows: int, clients: int, latencies: np.ndarray) -> Figure:
    rate = len(latencies) / SECONDS
    p50, p99 = np.quantile(latencies, (0.5, 0.99))
    return Figure(
        what=f"served over {protocol}, rows a request / clients: {num_rows} / {clients}",
        figure=f"{rate:,.0f} requests/s, {rate * num_rows:,.0f} rows/s; "
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms ({len(latencies):,} requests)",
    )


def worth_of_images(url: str, declaration: Declaration) -> list[Figure]:
    """Log-loss on rows of creatives that nobody knows, with their images and without, and the difference by bootstrap."""
    creative = declaration.creative.name if declaration.images else None
    if creative is None:
        return []
    train = pl.read_parquet(TEST.with_name("train.parquet"), columns=[creative])[creative].unique()
    images = pl.concat([read_images(folder, declaration)[0] for folder in partitions(RAW)]).unique("creative_id")
    new = pl.read_parquet(TEST).filter(~pl.col(creative).is_in(train.implode())).join(
        images.rename({"creative_id": creative}), on=creative, maintain_order="left"
    ).head(SHOWN_ROWS)  # fmt: skip
    renamed = new.with_columns(pl.concat_str(pl.lit("never seen: "), creative).alias(creative))
    categorical, numeric = packed(renamed, declaration)
    client, batch = grpc.InferenceServerClient(url), 128

    def scored(pictures: np.ndarray | None) -> np.ndarray:
        parts = []
        for i in range(0, len(new), batch):
            some = slice(i, i + batch)
            sent = inputs(grpc, categorical[some], numeric[some], None if pictures is None else pictures[some])
            parts.append(client.infer("ctr", sent).as_numpy("probability")[:, 0])
        return np.concatenate(parts).astype(np.float64)

    label = new[declaration.label.name].to_numpy()
    losses = {
        name: -np.where(label == 1, np.log(p), np.log1p(-p))
        for name, p in (("with", scored(new["image"].to_numpy().astype(object)[:, None])), ("without", scored(None)))
    }
    gain = losses["without"] - losses["with"]
    low, high = interval(lambda draw: gain[draw].mean(), len(gain))
    what = f"log-loss on {len(new):,} test rows of creatives the server does not know, image sent along"
    return [
        Figure(
            what=what,
            figure=f"{losses['with'].mean():.4f}, without image {losses['without'].mean():.4f}: "
            f"{gain.mean():.4f} less [{low:.4f}, {high:.4f}]",
            bar="measurably less",
            met=bool(low > 0),
        )
    ]


def interval(statistic: Callable[[np.ndarray], float], num_rows: int) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    values = [statistic(rng.integers(0, num_rows, num_rows)) for _ in range(DRAWS)]
    return tuple(np.quantile(values, (0.025, 0.975)))

"""What an image is worth for a creative that the served model does not know.

Reads the checkout's own export and test split. How fast the model is served, `make bench-serving` says.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import tritonclient.grpc as grpc
from pydantic import TypeAdapter

from bench.figures import Figure
from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import partitions
from contracts.serving.releases import EXPORTED
from contracts.serving.request import CATEGORICAL, IMAGE, NUMERIC, numbers, request_of, strings
from contracts.tables.raw import read_images
from serving.proxies import grpc_options
from serving.server.settings import load_server_config
from serving.server.trial import trial_server
from stages.files import read_json

EXPORT_DIR, TEST, RAW = Path("artifacts/export"), Path("data/split/test.parquet"), Path("data/raw")
SHOWN_ROWS = 20_000  # test rows of creatives that training has not seen
DRAWS = 1000


def measure() -> list[Figure]:
    if not EXPORTED.is_dir() or not TEST.is_file():
        return [Figure(what="served model", figure="not measured: nothing is exported; run `make repro` first")]
    declaration = TypeAdapter(Declaration).validate_python(read_json(EXPORT_DIR / "declaration.json"))
    with trial_server(EXPORTED, load_server_config()) as server:
        return worth_of_images(server.grpc_url, declaration)


def packed(rows: pl.DataFrame, declaration: Declaration) -> tuple[np.ndarray, np.ndarray]:
    """The two tensors of a request: strings object [N, C] and float32 [N, M]."""
    request = request_of(declaration)
    categorical = rows.select(strings(rows[c.name]) for c in request.categorical).to_numpy().astype(object)
    numeric = rows.select(numbers(rows[c.name]) for c in request.numeric).to_numpy().astype(np.float32)
    return categorical, numeric


def inputs(categorical: np.ndarray, numeric: np.ndarray, images: np.ndarray | None = None) -> list:
    found = []
    for name, values, kind in ((CATEGORICAL, categorical, "BYTES"), (NUMERIC, numeric, "FP32"), (IMAGE, images, "BYTES")):
        if values is not None:
            found.append(grpc.InferInput(name, list(values.shape), kind))
            found[-1].set_data_from_numpy(np.ascontiguousarray(values))
    return found


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
    client, batch = grpc.InferenceServerClient(url, channel_args=grpc_options(url)), 128

    def scored(pictures: np.ndarray | None) -> np.ndarray:
        parts = []
        for i in range(0, len(new), batch):
            some = slice(i, i + batch)
            sent = inputs(categorical[some], numeric[some], None if pictures is None else pictures[some])
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

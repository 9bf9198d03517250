"""What an image is worth for a creative that the served model does not know, and what it costs to keep it in the journal.

Reads the checkout's own export and test split. How fast the model is served, `make bench-serving` says.
"""

import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl
import tritonclient.grpc as grpc
from pydantic import TypeAdapter

from bench.figures import Compared, Figure
from bench.journal.cost import cpu_s, size_of, unbroken
from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import partitions
from contracts.serving.releases import EXPORTED
from contracts.serving.request import CATEGORICAL, IMAGE, NUMERIC, numbers, request_of, strings
from contracts.tables.raw import read_images
from serving.journal.folder import SEGMENTS, kept_journal
from serving.proxies import grpc_options
from serving.server.server import TritonServer
from serving.server.settings import load_server_config
from serving.server.trial import trial_server
from stages.files import read_json

EXPORT_DIR, TEST, RAW = Path("artifacts/export"), Path("data/split/test.parquet"), Path("data/raw")
SHOWN_ROWS = 20_000  # test rows of creatives that training has not seen
DRAWS = 1000
KEPT_ROWS, KEPT_REQUESTS, KEPT_PAIRS = 16, 40, 7  # rows of a request, each with an image of its own; requests of a run; runs


def measure() -> list[Figure]:
    if not EXPORTED.is_dir() or not TEST.is_file():
        return [Figure(what="served model", figure="not measured: nothing is exported; run `make repro` first")]
    declaration = TypeAdapter(Declaration).validate_python(read_json(EXPORT_DIR / "declaration.json"))
    if declaration.creative is None or not declaration.images:
        return []
    new, config = rows_of_new_creatives(declaration), load_server_config()
    with tempfile.TemporaryDirectory(prefix="adclick-images-", dir=".") as name:
        journal = Path(name)
        with (
            kept_journal(unbroken(journal)) as told,
            trial_server(EXPORTED, config) as server,
            trial_server(EXPORTED, config, journal=told) as journalled,
        ):
            figures = worth_of_images(server.grpc_url, new, declaration)
            return figures + cost_of_keeping([journalled, server], journal, new, declaration)


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


def rows_of_new_creatives(declaration: Declaration) -> pl.DataFrame:
    """Test rows of creatives that training has not seen, under names that nobody knows, and their `image`."""
    creative = declaration.creative.name
    train = pl.read_parquet(TEST.with_name("train.parquet"), columns=[creative])[creative].unique()
    images = pl.concat([read_images(folder, declaration)[0] for folder in partitions(RAW)]).unique("creative_id")
    new = pl.read_parquet(TEST).filter(~pl.col(creative).is_in(train.implode())).join(
        images.rename({"creative_id": creative}), on=creative, maintain_order="left"
    ).head(SHOWN_ROWS)  # fmt: skip
    return new.with_columns(pl.concat_str(pl.lit("never seen: "), creative).alias(creative))


def worth_of_images(url: str, new: pl.DataFrame, declaration: Declaration) -> list[Figure]:
    """Log-loss on rows of creatives that nobody knows, with their images and without, and the difference by bootstrap."""
    categorical, numeric = packed(new, declaration)
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


def cost_of_keeping(servers: list[TritonServer], journal: Path, new: pl.DataFrame, declaration: Declaration) -> list[Figure]:
    """What rows with an image each cost, with a journal by without, where the images are new and where they came before.

    `servers`: with, without.
    """
    rows = new.head(KEPT_ROWS)
    categorical, numeric = packed(rows, declaration)
    content, drawn = rows["image"].to_list(), count()

    def requests() -> list[list]:
        """Images that nobody has seen: what stands behind a PNG's end is not looked at."""
        some = ([image + b"%d" % next(drawn) for image in content] for _ in range(KEPT_REQUESTS))
        return [inputs(categorical, numeric, np.array(images, dtype=object)[:, None]) for images in some]

    found: dict[str, list[list[tuple[float, float]]]] = {"new images": [], "images that came before": []}
    for _ in range(KEPT_PAIRS):
        sent = requests()
        for pairs in found.values():
            pairs.append([of_a_row(server, sent) for server in servers])
    figures = []
    for what, pairs in found.items():
        cpu, rates = (Compared(ours=tuple(a[k] for a, _ in pairs), theirs=tuple(b[k] for _, b in pairs)) for k in range(2))
        shown = f"{median(cpu.ours):.0f} us a row, {cpu.shown(2)}; {median(rates.ours):,.0f} rows/s, {rates.shown(2)}"
        figures.append(Figure(what=f"journal: the server's CPU for rows with {what}", figure=shown))
    size = size_of(journal / SEGMENTS) / (2 * KEPT_PAIRS * KEPT_REQUESTS * KEPT_ROWS)
    return [*figures, Figure(what="journal: bytes of a row with an image in a segment", figure=f"{size:,.0f}")]


def of_a_row(server: TritonServer, sent: list[list]) -> tuple[float, float]:
    """CPU microseconds of the server a row, and rows a second of one client."""
    with grpc.InferenceServerClient(server.grpc_url, channel_args=grpc_options(server.grpc_url)) as client:
        cpu, start = cpu_s(server), time.perf_counter()
        for tensors in sent:
            client.infer("ctr", tensors)
        number, taken = len(sent) * KEPT_ROWS, time.perf_counter() - start
        return (cpu_s(server) - cpu) / number * 1e6, number / taken


def interval(statistic: Callable[[np.ndarray], float], num_rows: int) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    values = [statistic(rng.integers(0, num_rows, num_rows)) for _ in range(DRAWS)]
    return tuple(np.quantile(values, (0.025, 0.975)))

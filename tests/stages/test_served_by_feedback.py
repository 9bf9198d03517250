"""From the journal's Parquet and a month's own file, through `make feedback`, to a data set: it is that of the files alone."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from contracts.tables.parquet import ParquetRows
from lifecycle.journal.columns import OWN
from stages import train
from stages.files import digests_below
from tests.stages.pipeline_world import COLUMNS, CONF, declaration, run, write_month, write_params
from tests.stages.served_labels import declared_data, journalled

ROOT = CONF.parent
UP_TO_ENCODE = ("acquire", "validate", "split", "fit", "encode")
SEEN = [column | {"feature": True} if column["name"] == "user" else column for column in COLUMNS]
TINY = ("model.embedding_dim=4", "model.hidden_dims=[8]", "model.creative_dim=4", "train.max_epochs=1", "train.batch_size=64")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("lifecycle.feedback") is None, reason="there is no lifecycle.feedback, which writes such rows"
)


def write_journal(data: dict, clean: Path = Path("data/clean")) -> None:
    """The clean rows as answers of the journal, each with its key and event time, and the image of its ad if that has one."""
    declared = declared_data(data)
    for month in sorted(path.parent for path in clean.glob("*/impressions.parquet")):
        rows = pl.read_parquet(month / "impressions.parquet")
        images = dict(pl.read_parquet(month.parent / "2024-01/creatives.parquet").iter_rows())
        digests = {name: keep_image(content) for name, content in images.items()}
        sent = journalled(rows, declared).with_columns(
            prediction_id=pl.lit(month.name) + pl.int_range(len(rows)).cast(pl.String).str.zfill(12),
            row=pl.lit(0, pl.UInt32),
            answered_at=pl.col("t"),
            event_at=pl.col("t"),
            key=pl.col("id").cast(pl.String),
            release=pl.lit(1, pl.Int64),
            fallback=pl.lit(False),
            batch_rows=pl.lit(1, pl.UInt32),
            image_sha256=rows["ad"].replace_strict(digests, default=None, return_dtype=pl.String),
            probability=pl.lit(0.5, pl.Float32),
        )
        write_hours(sent.drop("id", "t", "y"), month.name)


def keep_image(content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    path = Path("journal/images") / digest[:2] / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


def write_hours(rows: pl.DataFrame, name: str) -> None:
    """A file for each hour of the answers, all with the journal's own columns."""
    hours = rows.group_by(pl.col("answered_at").dt.truncate("1h").alias("hour"), maintain_order=True)
    for (hour,), part in hours:
        folder = Path(f"journal/served/answered_day={hour:%Y-%m-%d}/answered_hour={hour:%H}")
        folder.mkdir(parents=True, exist_ok=True)
        table = part.to_arrow()
        own = {column: pa.nulls(len(part), kind) for column, kind in OWN.items() if column not in part.columns}
        table = pa.table({**own, **{column: table[column] for column in part.columns}})
        with ParquetRows(folder / f"{name}.parquet", table.schema) as file:
            for batch in table.to_batches():
                file.write(batch)


def take_labels(*inputs: str) -> str:
    """What the command prints."""
    command = [sys.executable, "-m", "lifecycle.feedback", "--complete-until", "2024-03", "--labelled", *inputs]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_on(data: dict, *more: str) -> tuple[list[pl.DataFrame], dict[str, str]]:
    """Clean rows, and digests of the encoded arrays."""
    write_params(data, TINY)
    run(*UP_TO_ENCODE, *more)
    rows = [pl.read_parquet(path) for path in sorted(Path("data/clean").glob("*/impressions.parquet"))]
    return rows, digests_below(Path("data/encoded"))


def make_served(months: int, num_rows: int) -> tuple[dict, list[pl.DataFrame], dict[str, str]]:
    """The small data set, its clean rows and arrays; and the folder `served_labels` of the same impressions."""
    for month in range(1, months + 1):
        write_month(Path("source"), month, num_rows)
    data = declaration(columns=SEEN)
    rows, arrays = run_on(data)
    write_journal(data)
    take_labels(*(f"source/2024-{month:02d}/rows.csv" for month in range(1, months + 1)))
    return data, rows, arrays


def served(data: dict) -> dict:
    return data | {"source": data["source"] | {"kind": "served", "served": "served_labels"}}


def test_labelled_rows_of_the_journal_are_the_rows_of_the_months_file(project):
    data, rows, arrays = make_served(2, 100)
    served_rows, served_arrays = run_on(served(data))
    assert [len(month) for month in served_rows] == [100, 100]
    for one, other in zip(rows, served_rows, strict=True):
        assert_frame_equal(one, other, check_exact=True)
    assert arrays == served_arrays


@pytest.mark.slow
def test_a_model_trained_on_them_has_the_same_weights(project):
    data, *_ = make_served(3, 2000)
    weights = []
    for one in (data, served(data)):
        shutil.rmtree(".checkpoints", ignore_errors=True)
        run_on(one)
        train.main()
        weights.append(Path("artifacts/model/weights.safetensors").read_bytes())
    assert weights[0] == weights[1]

"""How long labels take to find their answers: a month of served rows and a file of labels for a tenth of them, by `make feedback`
in a process of its own, whose memory is measured. `python -m bench.monitor.join` tries it alone.
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml
from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from bench.figures import Figure, at_most
from bench.served.entry import say
from bench.workspace import PROJECT, Ran, run
from contracts.clock import CLOCK, Clock
from contracts.tables.parquet import ParquetRows
from lifecycle.feedback.labels import FeedState, read_state
from lifecycle.journal.columns import OWN
from loadtests.perf_analyzer.settings import STRICT, PerfConfig, load_perf_settings

START_NS, HOUR_NS, HOURS = 1_800_000_000_000_000_000, 3600 * 10**9, 30 * 24
PARAMS = ("data", "serving", "feedback")


@checked(frozen=True, kw_only=True, config=STRICT)
class JoinLimits:
    seconds: float = Field(gt=0)
    peak_mib: float = Field(gt=0)


@checked(frozen=True, kw_only=True, config=STRICT)
class BenchJoinConfig(PerfConfig):
    """The meaning of each key stands in conf/loadtest/bench/bench_join.yaml."""

    rows: int = Field(ge=1000)
    rows_of_request: int = Field(ge=1)
    labels: int = Field(ge=1)
    seed: int
    limits: JoinLimits


def figures(config: object = None, overrides: Sequence[str] = ()) -> list[Figure]:
    """`config` is that of all parts, of which this one needs nothing."""
    own = load_perf_settings("bench_join", BenchJoinConfig, overrides)
    with tempfile.TemporaryDirectory(prefix="adclick-join-") as name:
        folder = Path(name)
        say(f"a journal of {own.rows:,} rows is made")
        make_journal(folder / "journal", own)
        return [figure for by in ("prediction_id", "key") for figure in joined(folder, by, own)]


def joined(folder: Path, by: str, config: BenchJoinConfig) -> list[Figure]:
    """The command on `labels` labels that name their rows `by` this."""
    write_params(folder, by)
    labels = make_labels(folder / f"labels-by-{by}.parquet", by, config)
    clock = Clock(start_ns=START_NS + 40 * 24 * HOUR_NS, from_ns=int(datetime.now(UTC).timestamp()) * 10**9)
    command = [
        sys.executable,
        "-m",
        "lifecycle.feedback",
        "--complete-until",
        f"{datetime.fromtimestamp(START_NS / 1e9 + 39 * 86400, UTC):%Y-%m-%d}",
        str(labels),
    ]
    ran = run(command, folder, {CLOCK: clock.variable(), "PYTHONPATH": str(PROJECT)})
    state = read_state(folder / f"feedback-{by}")
    check(state, config)
    return measured(by, ran, state, config)


def check(state: FeedState, config: BenchJoinConfig) -> None:
    """Raises RuntimeError if labels were lost on the way."""
    if (state.received, state.matched, state.final_rows) != (config.labels, config.labels, config.labels):
        raise RuntimeError(f"expected {config.labels} labels to match and to be final, got {asdict(state)}")


def measured(by: str, ran: Ran, state: FeedState, config: BenchJoinConfig) -> list[Figure]:
    what = f"feedback: {config.rows:,} served rows x {state.matched:,} labels by {by.replace('_', ' ')}"
    limits = config.limits
    return [
        at_most(what, ran.wall_s, limits.seconds, f"{ran.wall_s:.1f} s, {ran.cpu_s:.1f} s of CPU", f"<= {limits.seconds:g} s"),
        at_most(
            f"{what}, peak memory", ran.peak_mib, limits.peak_mib, f"{ran.peak_mib:,.0f} MiB", f"<= {limits.peak_mib:,.0f} MiB"
        ),
    ]


def write_params(folder: Path, by: str) -> None:
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params = {name: params[name] for name in PARAMS}
    params["feedback"] |= {"folder": f"feedback-{by}", "labelled": "served_labels"}
    params["serving"]["journal"]["folder"] = "journal"
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def make_journal(journal: Path, config: BenchJoinConfig) -> None:
    """A month's Parquet files, one an hour, with all columns that the journal has of its own."""
    schema = pa.schema({**OWN, "probability": pa.float32()})
    for hour in range(HOURS):
        first, last = (config.rows * place // HOURS for place in (hour, hour + 1))
        table = rows_of(np.arange(first, last), config)
        columns = [table.get(name, pa.nulls(last - first, schema.field(name).type)) for name in schema.names]
        start = datetime.fromtimestamp(START_NS / 1e9 + hour * 3600, UTC)
        folder = journal / f"served/answered_day={start:%Y-%m-%d}/answered_hour={start:%H}"
        folder.mkdir(parents=True)
        _write(pa.Table.from_arrays(columns, schema=schema), folder / "s.parquet")


def _write(table: pa.Table, path: Path) -> None:
    with ParquetRows(path, table.schema) as rows:
        for batch in table.to_batches():
            rows.write(batch)


def rows_of(row_N: np.ndarray, config: BenchJoinConfig) -> dict[str, pa.Array]:
    """Of these numbers: ids as version 7 has them, request ids and keys that are all different."""
    request_N = row_N // config.rows_of_request
    at_N = START_NS + (request_N * config.rows_of_request / config.rows * HOURS * HOUR_NS).astype(np.int64)
    drawn_N = np.random.Generator(np.random.PCG64(config.seed)).permutation(1 << 16)[request_N & 0xFFFF]
    ids = [f"{at // 10**6:012x}" for at in at_N.tolist()]
    names = [
        f"{i[:8]}-{i[8:]}-7000-8{d & 0xFFF:03x}-{n:012x}"
        for i, d, n in zip(ids, drawn_N.tolist(), request_N.tolist(), strict=True)
    ]
    return {
        "prediction_id": pa.array(names),
        "row": pa.array((row_N % config.rows_of_request).astype(np.uint32)),
        "answered_at": pa.array(at_N).view(pa.timestamp("ns", "UTC")),
        "event_at": pa.array(at_N).view(pa.timestamp("ns", "UTC")),
        "request_id": pa.array([f"{n:032x}" for n in request_N.tolist()]),
        "key": pa.array([f"impression-{n}" for n in row_N.tolist()]),
        "release": pa.array(np.ones(len(row_N), np.int64)),
        "probability": pa.array(np.full(len(row_N), 0.04, np.float32)),
    }


def make_labels(path: Path, by: str, config: BenchJoinConfig) -> Path:
    rng = np.random.Generator(np.random.PCG64(config.seed))
    row_N = rng.choice(config.rows, config.labels, replace=False)
    table = rows_of(row_N, config)
    own = ("prediction_id", "row") if by == "prediction_id" else ("key",)
    clicked = pa.array((rng.random(config.labels) < 0.04).astype(np.int8))
    _write(pa.table({**{name: table[name] for name in own}, "at": table["event_at"], "clicked": clicked}), path)
    return path


if __name__ == "__main__":
    for figure in figures(overrides=sys.argv[1:]):
        print(f"{figure.what}: {figure.figure} (bar {figure.bar})", flush=True)

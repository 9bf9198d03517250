"""A journal's Parquet files made by hand, a store beside it, and a clock that stands where the test puts it."""

import json
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import yaml
from pydantic import TypeAdapter

from contracts.clock import CLOCK, Clock
from contracts.dataset.declaration import Declaration
from contracts.lifecycle.feedback import FeedbackConfig
from contracts.serving.config import JournalConfig
from contracts.tables.parquet import ParquetRows
from lifecycle.feedback.intake.lines import read_lines
from lifecycle.feedback.intake.taking import TakenIn, take_in_once
from lifecycle.feedback.labels import FeedState, read_labels, read_state
from lifecycle.feedback.running.surroundings import Surroundings
from lifecycle.feedback.running.work import FeedbackOrder, look, run_order
from lifecycle.feedback.store import FeedbackStore, opened_store
from lifecycle.journal.columns import OWN
from tests.stages.pipeline_world import CONF, declaration

HOUR, DAY = 3600 * 10**9, 86_400 * 10**9
START = 1_800_000_000 * 10**9  # 2027-01-15T08:00:00Z
COLUMNS = [
    {"name": "id", "role": "key", "dtype": "int"},
    {"name": "t", "role": "time", "dtype": "datetime"},
    {"name": "site", "role": "entity", "dtype": "string"},
    {"name": "age", "role": "numeric", "dtype": "float", "nullable": True},
    {"name": "ad", "role": "creative", "dtype": "string"},
    {"name": "y", "role": "label", "dtype": "int"},
]
SENT = {"site": pa.string(), "age": pa.float64(), "ad": pa.string(), "probability": pa.float32()}


class FeedbackWorld:
    def __init__(self, folder: Path, monkeypatch: Any, **changed: Any) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        conf = CONF.parent / "conf"
        feedback = yaml.safe_load((conf / "feedback/default.yaml").read_text())
        feedback |= {"folder": str(folder / "feedback"), "labelled": str(folder / "served_labels")}
        feedback |= {"secret_file": str(folder / ".secrets/feedback"), "memory_mib": 256, "threads": 1} | changed
        self.config = TypeAdapter(FeedbackConfig).validate_python(feedback)
        journal = yaml.safe_load((conf / "serving/default.yaml").read_text())["journal"]
        self.journal = folder / "journal"
        journal |= {"folder": str(self.journal), "key_file": str(folder / ".secrets/journal-key")}
        source = {"kind": "files", "path": "data/sources", "files": ["*.csv"]}
        data = declaration(name="small", columns=COLUMNS, images={"files": "creatives/*.png"}, source=source)
        self.data, self.serving = data, journal
        self.around = Surroundings(
            config=self.config,
            declaration=TypeAdapter(Declaration).validate_python(data),
            journal=TypeAdapter(JournalConfig).validate_python(journal),
        )
        self.said: list[str] = []
        self.at(START + 30 * DAY)

    def at(self, now_ns: int) -> None:
        self.now_ns = now_ns
        variable = Clock(start_ns=now_ns, from_ns=datetime.now(UTC).timestamp().__floor__() * 10**9, rate=1).variable()
        self._monkeypatch.setenv(CLOCK, variable)

    def write_params(self) -> None:
        """For commands that run in the folder."""
        serving = yaml.safe_load((CONF.parent / "conf/serving/default.yaml").read_text()) | {"journal": self.serving}
        feedback = {name: getattr(self.config, name) for name in FeedbackConfig.__dataclass_fields__}
        (self.folder / "params.yaml").write_text(yaml.safe_dump({"data": self.data, "serving": serving, "feedback": feedback}))

    def hide(self, **changed: Any) -> None:
        self.serving |= changed
        self.around = replace(self.around, journal=TypeAdapter(JournalConfig).validate_python(self.serving))

    def answer(self, *rows: dict[str, Any], name: str = "a") -> None:
        """A Parquet file of the journal, in the hour of its first row. Of a row: `id`, `row`, `at`, and what else it has."""
        told = [given(row) for row in rows]
        schema = pa.schema({**OWN, **SENT})
        table = pa.Table.from_pylist([{field: row.get(field) for field in schema.names} for row in told], schema)
        hour = datetime.fromtimestamp(told[0]["answered_at"] // 10**9, UTC)
        folder = self.journal / f"served/answered_day={hour:%Y-%m-%d}/answered_hour={hour:%H}"
        folder.mkdir(parents=True, exist_ok=True)
        with ParquetRows(folder / f"{name}.parquet", schema) as file:
            for batch in table.to_batches():
                file.write(batch)

    @contextmanager
    def store(self):
        with opened_store(self.config) as store:
            yield store

    def send(self, *events: dict[str, Any], batch: str | None = None) -> TakenIn:
        """As the endpoint takes them in."""
        body = "\n".join(json.dumps(event) for event in events).encode()
        with self.store() as store:
            return take_in_once(store, read_lines(body, self.now_ns), batch, str(hash(body)), self.now_ns)

    def run(self, *inputs: Path, **order: Any) -> FeedState:
        """As the command does it; what it says is in `said`."""
        self.said.clear()
        with self.store() as store:
            run_order(store, self.around, FeedbackOrder(inputs=tuple(map(str, inputs)), **order), self.said.append)
        return self.state()

    def look(self, store: FeedbackStore) -> FeedState:
        return look(store, self.around, self.now_ns)

    def state(self) -> FeedState:
        state = read_state(self.folder / "feedback")
        parts = ("matched", "duplicate", "corrected", "contradicting", "waiting", "expired", "rejected")
        assert state.received == sum(getattr(state, part) for part in parts)
        return state

    def labels(self) -> dict[tuple[str, int], int]:
        rows = read_labels(self.folder / "feedback", 0, 2**63 - 1).collect()
        return {
            (prediction_id, row): clicked for prediction_id, row, clicked in rows.select("prediction_id", "row", "clicked").rows()
        }

    def file(self, name: str, rows: Sequence[dict[str, Any]] | str) -> Path:
        path = self.folder / name
        if isinstance(rows, str):
            path.write_text(rows)
        elif name.endswith(".parquet"):
            pl.DataFrame(rows).write_parquet(path)
        else:
            pl.DataFrame(rows).write_csv(path)
        return path


def given(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the journal."""
    own = {"prediction_id": row["id"], "row": row.get("row", 0), "answered_at": row.get("at", START), "release": 1}
    sent = {"site": "site 1", "age": 30.0, "ad": "ad 1", "probability": 0.25, "fallback": False, "batch_rows": 1}
    rest = {name: value for name, value in row.items() if name not in ("id", "row", "at")}
    return own | sent | rest


def shown(id: str, row: int = 0, at: int = START) -> dict[str, Any]:
    return {"kind": "shown", "prediction_id": id, "row": row, "at_ms": at // 10**6}


def click(id: str, row: int = 0, at: int = START + HOUR) -> dict[str, Any]:
    return {"kind": "click", "prediction_id": id, "row": row, "at_ms": at // 10**6}


def said(id: str, clicked: int, row: int = 0, at: int = START) -> dict[str, Any]:
    return {"kind": "label", "prediction_id": id, "row": row, "at_ms": at // 10**6, "clicked": clicked}


def complete(at: int) -> dict[str, Any]:
    return {"kind": "heartbeat", "at_ms": at // 10**6}

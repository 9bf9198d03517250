"""feedback.duckdb: events that wait for their answer, what is known of answered rows, and how many events were of which class.

One process writes. What is counted or marked is only ever added (sums and maxima are taken when it is read), so that the endpoint
can take events in while another thread of it looks for answers: two transactions never change the same row.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.lifecycle.feedback import FeedbackConfig
from lifecycle.feedback.rules import WAITING

if TYPE_CHECKING:
    import duckdb

NAME, LOCK = "feedback.duckdb", "feedback.lock"
MODE, FILE_MODE = 0o750, 0o640
BATCHES_NS = 30 * 24 * 3600 * 10**9  # for which the id of a batch is known
WATERMARK, LAST_EVENT, FIRST_RECEIVED = "watermark", "last_event", "first_received"  # marks: the largest counts
RECEIVED, LATE, REOPENED = "received", "late_corrections", "reopened"  # counted beside the classes
HEARTBEATS, FINAL = "heartbeats", "final_rows"
TABLES = """
CREATE SEQUENCE IF NOT EXISTS seqs;
CREATE TABLE IF NOT EXISTS counted (name VARCHAR, n BIGINT);
CREATE TABLE IF NOT EXISTS marks (name VARCHAR, at_ns BIGINT);
CREATE TABLE IF NOT EXISTS refused (source VARCHAR, field VARCHAR, rule VARCHAR, n BIGINT);
CREATE TABLE IF NOT EXISTS batches (id VARCHAR PRIMARY KEY, digest VARCHAR, lines BIGINT, received_ns BIGINT);
CREATE TABLE IF NOT EXISTS waiting (
    seq BIGINT, received_ns BIGINT, kind VARCHAR, prediction_id VARCHAR, row_no UINTEGER, key VARCHAR, at_ns BIGINT,
    clicked TINYINT, source VARCHAR, looked BOOLEAN);
CREATE TABLE IF NOT EXISTS facts (
    prediction_id VARCHAR, row_no UINTEGER, key VARCHAR, answered_ns BIGINT, release BIGINT,
    is_shown BOOLEAN, shown_ns BIGINT, clicked TINYINT, said_ns BIGINT, source VARCHAR,
    late_clicked TINYINT, late_ns BIGINT, late_source VARCHAR, final_ns BIGINT);
CREATE TABLE IF NOT EXISTS unwritten (
    day DATE, prediction_id VARCHAR, row_no UINTEGER, key VARCHAR, answered_ns BIGINT, release BIGINT, shown_ns BIGINT,
    clicked TINYINT, final_ns BIGINT, source VARCHAR);
CREATE TABLE IF NOT EXISTS looked_files (name VARCHAR);
CREATE TABLE IF NOT EXISTS final_files (name VARCHAR);
"""


class StoreTaken(ValueError):
    """Another process has the store. `url` is where it can be asked, if it is an endpoint."""

    def __init__(self, text: str, url: str | None) -> None:
        super().__init__(text)
        self.url = url


class FeedbackStore:
    """The store, opened for writing. A second one of the same database, for another thread, comes from `beside`."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        self.db = connection

    def beside(self) -> "FeedbackStore":
        return FeedbackStore(self.db.cursor())

    @contextmanager
    def transaction(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        """All or nothing of what is done inside; on the disk when it ends."""
        self.db.execute("BEGIN")
        try:
            yield self.db
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def count(self, **numbers: int) -> None:
        for name, number in numbers.items():
            if number:
                self.db.execute("INSERT INTO counted VALUES (?, ?)", [name, number])

    def mark(self, name: str, at_ns: int | None) -> None:
        if at_ns is not None:
            self.db.execute("INSERT INTO marks VALUES (?, ?)", [name, at_ns])

    def marked(self, name: str) -> int | None:
        return self.value("SELECT max(at_ns) FROM marks WHERE name = ?", [name])

    def counts(self) -> dict[str, int]:
        """Of every class and beside them; those that wait are counted where they wait."""
        rows = self.db.execute("SELECT name, sum(n)::BIGINT FROM counted GROUP BY name").fetchall()
        return dict(rows) | {WAITING: self.value("SELECT count(*) FROM waiting") or 0}

    def value(self, query: str, values: list[Any] | None = None) -> Any:
        rows = self.db.execute(query, values or []).fetchall()
        return rows[0][0] if rows else None

    def tidy(self, now_ns: int) -> None:
        """The same sums and maxima in a row each, and ids of batches only so long as one may come again. One thread at a time;
        what others add meanwhile is not seen here, and stays.
        """
        with self.transaction() as db:
            for table, kept in (("counted", "name, sum(n)::BIGINT"), ("marks", "name, max(at_ns)")):
                db.execute(f"CREATE OR REPLACE TEMP TABLE tidied AS SELECT {kept} FROM {table} GROUP BY name")
                db.execute(f"DELETE FROM {table}")
                db.execute(f"INSERT INTO {table} SELECT * FROM tidied")
            db.execute("DELETE FROM batches WHERE received_ns < ?", [now_ns - BATCHES_NS])


@contextmanager
def opened_store(config: FeedbackConfig, about: Mapping[str, Any] | None = None) -> Iterator[FeedbackStore]:
    """The store, made if it is missing. `about` is for those who find it taken. Raises StoreTaken if another process has it."""
    folder = Path(config.folder)
    folder.mkdir(parents=True, exist_ok=True, mode=MODE)
    with only_writer(folder, about or {}):
        connection = connected(folder / NAME, config)
        try:
            connection.execute(TABLES)
            yield FeedbackStore(connection)
        finally:
            connection.close()


def connected(path: Path, config: FeedbackConfig) -> "duckdb.DuckDBPyConnection":
    """Raises ValueError if the file is no store."""
    import duckdb  # only where the store is opened: labels are read in serving's environment, which has no DuckDB

    limits: dict[str, Any] = {
        "memory_limit": f"{config.memory_mib}MiB",
        "threads": config.threads,
        "temp_directory": f"{path}.tmp",
    }
    still = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    try:
        connection = duckdb.connect(str(path), config=limits | still)
    except duckdb.Error as error:
        raise ValueError(
            f"{path} cannot be opened: {' '.join(str(error).split())[:200]}; restore it from a copy, or remove it and take the "
            "files in again"
        ) from None
    os.chmod(path, FILE_MODE)
    return connection


@contextmanager
def only_writer(folder: Path, about: Mapping[str, Any]) -> Iterator[None]:
    """Raises StoreTaken."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(folder, os.pread(lock, 4096, 0)) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": os.getpid(), **about}).encode(), 0)
        yield
    finally:
        os.close(lock)


def _busy(folder: Path, content: bytes) -> StoreTaken:
    try:
        holder = json.loads(content)
    except ValueError:
        holder = {}
    url = holder.get("url")
    who = f"process {holder.get('pid', '?')}" + (f", the endpoint at {url}," if url else "")
    return StoreTaken(f"{who} writes to {folder}; stop it, or wait for it", url)

"""What the journal has answered, by the hour of the answer, and how far it is in Parquet."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lifecycle.journal.columns import DAY, HOUR
from lifecycle.journal.retention import opened
from lifecycle.journal.served import DONE, SERVED, is_closed, unserved
from serving.journal.folder import SEGMENTS

DAY_NS, HOUR_NS = 86_400 * 10**9, 3600 * 10**9
COLUMNS = (
    "prediction_id, row AS row_no, key, epoch_ns(answered_at) AS answered_ns, epoch_ns(event_at) AS event_ns, request_id, "
    "release, regexp_extract(filename, '[^/]*/[^/]*/[^/]*$') AS name"
)
PASSED_OVER_S = 600.0  # a closed segment that is so much older than what was made Parquet last cannot be read


@dataclass(frozen=True, kw_only=True)
class AnsweredFile:
    """A Parquet file of the journal's data set `served`."""

    name: str  # below it
    path: Path
    start_ns: int  # of the hour in which its rows were answered

    @property
    def end_ns(self) -> int:
        return self.start_ns + HOUR_NS


def answered_files(journal: Path) -> list[AnsweredFile]:
    """Oldest hour first; none if there is no journal."""
    found = []
    for path in (journal / SERVED).glob(f"{DAY}=*/{HOUR}=*/*.parquet"):
        day, hour = (part.split("=")[1] for part in path.parts[-3:-1])
        start = datetime.fromisoformat(f"{day}T{hour}:00:00+00:00")
        name = path.relative_to(journal / SERVED).as_posix()
        found.append(AnsweredFile(name=name, path=path, start_ns=int(start.timestamp()) * 10**9))
    return sorted(found, key=lambda file: (file.start_ns, file.name))


def until_ns(journal: Path, now_ns: int) -> int:
    """Every answer from before is in Parquet: the beginning of the oldest segment that is not, else just after now.

    A closed segment that `lifecycle.journal` has passed over, because it cannot be read, holds nothing up.
    """
    if not (journal / SEGMENTS).is_dir():
        return now_ns + 1
    last_done = max((entry.stat().st_mtime for entry in (journal / DONE).glob("*.json")), default=0.0)
    begun = [now_ns + 1]
    for path in unserved(journal):
        try:
            is_passed_over = path.stat().st_mtime < last_done - PASSED_OVER_S and is_closed(path)
        except FileNotFoundError:  # removed meanwhile
            continue
        if not is_passed_over:
            begun.append(_nanoseconds(opened(path)))
    return min(begun)


def within(files: Iterable[AnsweredFile], first_ns: int, last_ns: int) -> list[AnsweredFile]:
    """Those of hours that have to do with the time from `first_ns` to `last_ns`."""
    return [file for file in files if file.end_ns > first_ns and file.start_ns <= last_ns]


def paths_sql(paths: Iterable[Path]) -> str:
    """As a list of texts in SQL."""
    return "[" + ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths) + "]"


def answers_sql(files: Iterable[AnsweredFile]) -> str:
    """A query of the rows that were answered: COLUMNS, of which `name` is that of an AnsweredFile."""
    paths = paths_sql(file.path for file in files)
    return f"SELECT {COLUMNS} FROM read_parquet({paths}, hive_partitioning = false, filename = true)"


def day_of(at_ns: int) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1000):%Y-%m-%d}"


def _nanoseconds(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000

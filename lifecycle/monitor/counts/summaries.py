"""Counts of the journal's rows on the disk, `windows/` in the monitor's folder: each Parquet file of the journal is read once.

A part is a Parquet file of counts that also lists the journal's files that are in it. It appears whole, so after a
kill a file of the journal is in a part or it is not, and parts that were merged are known by the files that both name.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.dataset.declaration import Declaration
from contracts.files import write_whole
from contracts.tables.computed.of_row import computed
from contracts.tables.parquet import ParquetRows
from lifecycle.journal.served import SERVED
from lifecycle.monitor.counts.counting import count_rows
from lifecycle.monitor.counts.first_rows import profile_of_rows
from lifecycle.monitor.counts.plan import EMBEDDING, Plan, plan_of
from serving.releases.reference import read_profile

WINDOWS, FILES = "windows", "files"
NUMBERS = ("release", "hour", "slot", "n")
BATCH_ROWS, MOST_PARTS = 150_000, 48  # rows of a part; parts beyond which they are merged
ALWAYS = ("prediction_id", "answered_at", "event_at", "release", "probability")


class Summaries:
    """The counts of one journal."""

    def __init__(self, folder: Path, journal: Path, store: Path, declaration: Declaration, block_rows: int) -> None:
        self._folder, self._journal, self._store = folder / WINDOWS, journal / SERVED, store
        self._declaration, self._block_rows = declaration, block_rows

    def gather(self) -> int:
        """Count the journal's files that are not counted yet; how many rows they had."""
        counted = {name for _, names in self._parts() for name in names}
        there = sorted(path.relative_to(self._journal).as_posix() for path in self._journal.glob("*/*/*.parquet"))
        rows = 0
        for names in _batches(self._journal, [name for name in there if name not in counted]):
            rows += self._count(names)
        if len(list(self._folder.glob("part-*.parquet"))) > MOST_PARTS:
            self._merge()
        return rows

    def counts(self) -> dict[int, pl.DataFrame]:
        """Of each release."""
        parts = [_counts_in(path) for path, _ in self._parts()]
        if not parts:
            return {}
        return {
            int(release): part.drop("release")
            for (release,), part in pl.concat(parts).partition_by("release", as_dict=True).items()
        }

    def plan(self, release: int) -> tuple[Plan, bool]:
        """How its columns are counted, and whether that is by the release's own profile."""
        values = json.loads(self._plan_path(release).read_text(encoding="utf-8"))
        return plan_of(self._declaration, values["profile"], values["names"]), bool(values["is_own"])

    def _plan_path(self, release: int) -> Path:
        return self._folder / f"release-{release}.json"

    def _count(self, names: Sequence[str]) -> int:
        rows = _read([self._journal / name for name in names], self._declaration)
        found = []
        for (release,), part in rows.partition_by("release", as_dict=True).items():
            counts = count_rows(part, self._planned(int(release), part), self._block_rows)
            found.append(counts.with_columns(release=pl.lit(int(release), pl.Int64)))
        if found:
            self._write(pl.concat(found), names)
        return len(rows)

    def _planned(self, release: int, rows: pl.DataFrame) -> Plan:
        path = self._plan_path(release)
        if not path.is_file():
            profile = read_profile(self._store, release)
            values: Mapping[str, Any] = {
                "profile": profile if profile is not None else profile_of_rows(rows, self._declaration),
                "is_own": profile is not None,
                "names": rows.columns,
            }
            write_whole(path, json.dumps(values).encode(), synced=True)
        return self.plan(release)[0]

    def _write(self, counts: pl.DataFrame, names: Sequence[str]) -> Path:
        listed = pl.DataFrame({"key": sorted(names)}).with_columns(
            pl.lit("").alias("column"),
            pl.lit(FILES).alias("what"),
            *(pl.lit(0, counts.schema[name]).alias(name) for name in NUMBERS),
        )
        table = pl.concat([counts, listed.select(counts.columns)]).sort("release", "hour", "slot", "column", "what", "key")
        content = io.BytesIO()
        with ParquetRows(content) as rows:
            rows.write(table)
        digest = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
        path = self._folder / f"part-{digest[:16]}.parquet"
        write_whole(path, content.getvalue(), synced=True)
        return path

    def _parts(self) -> list[tuple[Path, set[str]]]:
        """Parts that count, largest first: not those whose files are in a merged one."""
        named = [(path, _files_in(path)) for path in sorted(self._folder.glob("part-*.parquet"))]
        kept, seen = list[tuple[Path, set[str]]](), set[str]()
        for path, names in sorted(named, key=lambda part: (-len(part[1]), part[0])):
            if not names & seen:
                kept.append((path, names))
                seen |= names
        return kept

    def _merge(self) -> None:
        """All parts as one; those that it is made of go when it is there."""
        parts = self._parts()
        counts = pl.concat([_counts_in(path) for path, _ in parts])
        summed = counts.group_by("release", "hour", "slot", "column", "what", "key").agg(pl.col("n").sum())
        target = self._write(summed.select(counts.columns), sorted({name for _, names in parts for name in names}))
        for path in self._folder.glob("part-*.parquet"):
            if path != target:
                path.unlink(missing_ok=True)


def _files_in(path: Path) -> set[str]:
    """The journal's files that a part was made of."""
    try:
        return set(pl.read_parquet(path, columns=["what", "key"]).filter(pl.col("what") == FILES)["key"].to_list())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}); remove {path.parent}, and make monitor counts the journal anew"
        ) from None


def _counts_in(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path).filter(pl.col("what") != FILES)


def _batches(folder: Path, names: Sequence[str]) -> Iterator[list[str]]:
    """Files that are counted together."""
    batch, rows = list[str](), 0
    for name in names:
        try:
            rows += pq.read_metadata(folder / name).num_rows
        except FileNotFoundError:  # the journal removed it meanwhile
            continue
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(f"{folder / name} is no Parquet file of the journal ({error}); move it away") from None
        batch.append(name)
        if rows >= BATCH_ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _read(paths: Sequence[Path], declaration: Declaration) -> pl.DataFrame:
    """The columns that are counted, of rows of all files; a file that lacks one has null there."""
    names = [column.name for column in declaration.columns]
    wanted = {*ALWAYS, *names, *(f"sent_{name}" for name in names), *(f"{name}__id" for name in names), EMBEDDING}
    parts = []
    for path in paths:
        there = pq.read_schema(path).names
        chosen = [name for name in there if name in wanted or (name.startswith("image_") and name in LOOKED_AT)]
        parts.append(_with_computed(pl.read_parquet(path, columns=chosen, hive_partitioning=False), declaration))
    return pl.concat(parts, how="diagonal_relaxed")


def _with_computed(rows: pl.DataFrame, declaration: Declaration) -> pl.DataFrame:
    """The rows, and what the model computed of their columns; not where these are not there, or where it was hidden with them."""

    def sent(name: str) -> pl.Series:
        return rows[f"sent_{name}" if f"sent_{name}" in rows.columns else name]

    there = {name.removeprefix("sent_") for name in rows.columns}
    hidden = {name for name in rows.columns if name.endswith("__id") and rows[name].null_count() == len(rows)}
    made = [c for c in declaration.columns if c.made_of and {*c.made_of} <= there and f"{c.name}__id" not in hidden]
    return rows.with_columns(computed(column, sent) for column in made)


LOOKED_AT = ("image_brightness", "image_contrast", "image_colourfulness", "image_width", "image_height", "image_format")

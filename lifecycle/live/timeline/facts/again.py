"""What a release says of rows of the journal, whoever answered them: its graph is run over them again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from lifecycle.monitor.quality.labelled import served_files
from lifecycle.rollout.evidence.other import OtherRelease


@dataclass(frozen=True, kw_only=True)
class RunAgain:
    """Of one play."""

    journal: Path
    store: Path

    def said(self, day: date, releases: tuple[int, ...]) -> pl.DataFrame:
        """The day's rows: key, and a column of probabilities for each release, null where it cannot be run."""
        others = {release: OtherRelease(self.store, release, self.journal) for release in releases}
        frames = [pl.DataFrame(schema={"key": pl.String, **{str(release): pl.Float64 for release in releases}})]
        for path, table in self._tables(day):
            answered_N = np.asarray(table["release"])
            columns: dict[str, object] = {"key": pl.Series(table["key"].to_pylist(), dtype=pl.String)}
            for release, other in others.items():
                p_N = np.asarray(table["probability"]).astype(np.float64)
                asked = np.flatnonzero(answered_N != release)
                if len(asked):
                    p_N[asked] = other.probabilities(path, asked)
                columns[str(release)] = pl.Series(p_N).fill_nan(None)
            frames.append(pl.DataFrame(columns))
        return pl.concat(frames)

    def _tables(self, day: date) -> Iterator[tuple[Path, pa.Table]]:
        """Files of the journal with their rows' keys, releases and probabilities; each is of one release."""
        for path in served_files(self.journal, day):
            table = pq.read_table(path, partitioning=None, columns=["key", "release", "probability"])
            if len(table):
                yield path, table

"""Triton with a journal, and what is in that."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from contracts.serving.config import JournalConfig
from lifecycle.journal.served import only_one, serve_segment, waiting
from serving.journal.folder import SEGMENTS, kept_journal
from serving.server.server import TritonServer
from tests.lifecycle.journal.second_reader import read
from tests.serving.served_world import serving, wait_for


def journal_config(folder: Path, **changes: Any) -> JournalConfig:
    known = {"enabled": True, "folder": str(folder), "segment_mib": 1, "segment_s": 600, "on_error": "answer", "sync_ms": 20}
    known |= {"keep_days": None, "max_gib": None}
    return JournalConfig(**known | changes)


@dataclass(frozen=True, kw_only=True)
class Journalled:
    server: TritonServer
    folder: Path

    def segments(self) -> list[Path]:
        return sorted((self.folder / SEGMENTS).glob("*.segment"))

    def rows(self) -> list[dict[str, Any]]:
        """What is in all segments, by the reader that was written from the page; those may still be written."""
        return [row for path in self.segments() for row in read(path)["rows"]]

    def refusals(self) -> list[dict[str, Any]]:
        return [refusal for path in self.segments() for refusal in read(path)["refusals"]]

    def served(self) -> pl.DataFrame:
        """All segments as the project's reader makes them Parquet. A process that was killed in the midst of a commit to the disk
        has its locks until that is done.
        """

        def serve_all() -> bool:
            for path in waiting(self.folder):
                serve_segment(self.folder, path)
            return len([*(self.folder / "done").iterdir()]) == len(self.segments())

        with only_one(self.folder):
            wait_for(serve_all, 20, "the processes of the server let go of their segments")
        files = [*(self.folder / "served").rglob("*.parquet")]
        return pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in files])


@contextmanager
def journalling(folder: Path, repository: Path, where: Path | None = None, **changes: Any) -> Iterator[Journalled]:
    """Triton that keeps a journal in `where`, or below `folder`; the models' processes are not brought back."""
    kept = where or folder / "journal"
    with kept_journal(journal_config(kept, **changes)) as told, serving(folder, repository, False, told) as server:
        yield Journalled(server=server, folder=kept)

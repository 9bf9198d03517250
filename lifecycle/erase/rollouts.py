"""A user in the evidence of rollouts: rows whose hashed routing key is the user's, by the salt of each rollout."""

from io import BytesIO
from pathlib import Path

import polars as pl

from contracts.files import write_whole
from contracts.tables.parquet import ParquetRows
from lifecycle.erase.wanted import Wanted
from lifecycle.rollout.control.files import read_state
from lifecycle.rollout.pairs import key_hash
from lifecycle.rollout.rollout import ASSIGNED, PAIRS, STATE


def look(root: Path, wanted: Wanted) -> dict[Path, int]:
    """Files of pairs/ and assigned/ with rows of the user, and how many. Verdicts then rest on the sums that decisions keep."""
    found = {}
    for state in sorted(root.glob(f"*/{STATE}")):
        hashes = _hashes(state.parent, wanted)
        for name in (PAIRS, ASSIGNED):
            for path in sorted((state.parent / name).glob("*.parquet")):
                keys = pl.read_parquet(path, columns=["key"], hive_partitioning=False)["key"]
                if rows := int(keys.is_in(hashes).sum()):
                    found[path] = rows
    return found


def erase(paths: dict[Path, int], wanted: Wanted) -> None:
    """Write each file anew without the user's rows. Killed in between and run again, it goes on with what is left."""
    for path in paths:
        rows = pl.read_parquet(path, hive_partitioning=False)
        kept = rows.filter(~pl.col("key").is_in(_hashes(path.parents[1], wanted)))
        content = BytesIO()
        with ParquetRows(content) as writer:
            writer.write(kept)
        write_whole(path, content.getvalue(), synced=True)


def _hashes(folder: Path, wanted: Wanted) -> list[int]:
    """Spellings that cannot be listed (a whole number with zeros before it) have other hashes; they name nobody without the
    key.
    """
    salt = read_state(folder).rollout.salt
    return [key_hash(salt, text.decode()) for text in wanted.texts]

"""A user in the evidence of rollouts: rows whose hashed routing key is the user's, by the salt of each rollout, and rows that the
journal names as theirs.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import polars as pl

from contracts.files import write_whole
from contracts.tables.parquet import ParquetRows
from lifecycle import locking
from lifecycle.erase.wanted import Wanted
from lifecycle.rollout.control.control import CONTROLLER_LOCK
from lifecycle.rollout.control.files import read_state
from lifecycle.rollout.evidence.files import remove_partial
from lifecycle.rollout.pairs import key_hash
from lifecycle.rollout.rollout import ASSIGNED, PAIRS, STATE

Row = tuple[str, int]  # prediction id, and number of the row


@contextmanager
def no_controller(root: Path) -> Iterator[None]:
    """Without what looks left that were killed. Raises ValueError while a controller looks after rollouts there: it may hold rows
    that it has not written yet.
    """
    if not root.is_dir():
        yield
        return
    taken = f"a controller looks after {root}/; stop `make rollout`, and start it again after this"
    with locking.alone(root / CONTROLLER_LOCK, taken):
        for state in root.glob(f"*/{STATE}"):
            remove_partial(state.parent)
        yield


def look(root: Path, wanted: Wanted, theirs: Collection[Row] = ()) -> dict[Path, int]:
    """Files of pairs/ and assigned/ with rows of the user, and how many. Verdicts then rest on the sums that decisions keep.

    `theirs`: what the journal names as the user's, whoever's the routing key was.
    """
    found = {}
    for state in sorted(root.glob(f"*/{STATE}")):
        for path in (path for name in (PAIRS, ASSIGNED) for path in sorted((state.parent / name).glob("*.parquet"))):
            if rows := int(_is_theirs(path, wanted, theirs).sum()):
                found[path] = rows
    return found


def erase(paths: Collection[Path], wanted: Wanted, theirs: Collection[Row] = ()) -> None:
    """Write each file anew without the user's rows. Killed in between and run again, it goes on with what is left."""
    for path in paths:
        kept = pl.read_parquet(path, hive_partitioning=False).filter(~_is_theirs(path, wanted, theirs))
        content = BytesIO()
        with ParquetRows(content) as writer:
            writer.write(kept)
        write_whole(path, content.getvalue(), synced=True)


def _is_theirs(path: Path, wanted: Wanted, theirs: Collection[Row]) -> pl.Series:
    """Of each row of a file."""
    is_pairs = path.parent.name == PAIRS
    rows = pl.read_parquet(path, columns=["key", "prediction_id", "row"] if is_pairs else ["key"], hive_partitioning=False)
    found = rows["key"].is_in(_hashes(path.parents[1], wanted))
    if is_pairs and theirs:
        named = pl.DataFrame([*theirs], {"prediction_id": pl.String, "row": pl.UInt32}, orient="row").unique()
        named = named.with_columns(pl.lit(True).alias("is_named"))
        found |= rows.join(named, on=["prediction_id", "row"], how="left", maintain_order="left")["is_named"].fill_null(False)
    return found


def _hashes(folder: Path, wanted: Wanted) -> list[int]:
    """Of the user as text, and as the journal hides that. Spellings that cannot be listed (a whole number with zeros before it)
    have other ones, which name nobody without the key.
    """
    salt = read_state(folder).rollout.salt
    return [key_hash(salt, text.decode()) for text in (*wanted.texts, *wanted.hashes)]

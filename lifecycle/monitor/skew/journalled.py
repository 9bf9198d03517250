"""What the journal says about how rows were written down: which columns and keys are not there as they came."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lifecycle.journal.served import DONE
from serving.journal.privacy import journal_key
from serving.triton.journal.privacy import AS_IS, KEYED_HASH, pseudonym


@dataclass(frozen=True, kw_only=True)
class Hidings:
    """By the headers of the segments that were made Parquet of."""

    columns: frozenset[str]  # that were dropped or hashed anywhere
    caller_key: str


def read_hidings(journal: Path) -> Hidings:
    columns, keys = set[str](), set[str]()
    for note in (journal / DONE).glob("*.json"):
        about = json.loads(note.read_text(encoding="utf-8")).get("about", {})
        columns |= {name for name, how in about.get("columns", {}).items() if how != AS_IS}
        keys.add(about.get("caller_key", AS_IS))
    if len(keys) > 1:
        raise ValueError(
            f"callers' keys in {journal} are written in several ways ({', '.join(sorted(keys))}), so rows are not found by them; "
            "keep one way (serving.journal.caller_key), and compare when all of the month is written so"
        )
    return Hidings(columns=frozenset(columns), caller_key=next(iter(keys), AS_IS))


def hashing(hidings: Hidings, key_file: Path) -> Callable[[str], str] | None:
    """What the journal made of a caller's key; None where it stands as it came. Raises ValueError if keys were dropped."""
    if hidings.caller_key == AS_IS:
        return None
    if hidings.caller_key != KEYED_HASH:
        raise ValueError(
            "the journal drops callers' keys (serving.journal.caller_key), so no served row can be found by them; "
            "keyed_hash keeps them comparable"
        )
    key = journal_key(key_file)
    return lambda text: pseudonym(key, text.encode()).decode()

"""Callers' keys as the journal has them: as they came, or hashed with the journal's key, or not at all (docs/privacy.md)."""

from collections.abc import Callable
from pathlib import Path

from contracts.serving.config import JournalConfig
from serving.journal.privacy import journal_key
from serving.triton.journal.privacy import AS_IS, DROP, pseudonym


def hider(journal: JournalConfig) -> Callable[[str], str | None]:
    """What a key becomes. Raises ValueError if the key of the hashes cannot be used."""
    if journal.caller_key == AS_IS:
        return lambda key: key
    if journal.caller_key == DROP:
        return lambda key: None
    secret = journal_key(Path(journal.key_file))
    return lambda key: pseudonym(secret, key.encode()).decode()

"""Which columns the journal does not have as they came, by segment, so that they are not taken for what was sent."""

import json
from pathlib import Path

from lifecycle.journal.served import DONE, SEGMENT
from serving.triton.journal.privacy import AS_IS

KEY = "key"  # the caller's


def hidden_names(journal: Path) -> dict[str, list[str]]:
    """By column the segments (their names without suffix) in which it was dropped or hashed."""
    found: dict[str, list[str]] = {}
    for path in sorted((journal / DONE).glob(f"*{SEGMENT}.json")):
        about = json.loads(path.read_bytes()).get("about", {})
        columns = dict(about.get("columns", {})) | {KEY: about.get("caller_key", AS_IS)}
        for name, hiding in columns.items():
            if hiding != AS_IS:
                found.setdefault(name, []).append(path.name.removesuffix(f"{SEGMENT}.json"))
    return found

"""releases.jsonl in the store of releases: a line for each release, refusal, roll-back, promotion, route, before it takes effect.

Lines are appended and synced to the disk, and never changed. What a crash or a full disk cut off is a line of its own that says
nothing; the lines before and after it are whole.
"""

import getpass
import json
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from contracts.clock import clock
from contracts.git_commit import git_revision
from contracts.line_log import append_line

NAME, FORMAT = "releases.jsonl", 1
Event = Literal["release", "stored", "refusal", "rollback", "promotion", "route"]  # stored: released, and not served


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What happened to a model. Time, user, host and commit are added when it is written."""

    event: Event
    model: str | None  # sha-256 of its export's manifest.json; None if that is not there to be read
    version: int | None = None  # in the store; of a refused model: None
    before: int | None = None  # the version that was served until then
    champion: str | None = None  # sha-256, as `model`, of the one that it was compared with
    data: dict[str, str] = field(default_factory=dict)  # sha-256 of each file of the splits that it was trained and judged on
    evidence: dict[str, Any] = field(default_factory=dict)  # of comparison and gate: verdict, reasons, sha-256 of the report
    reasons: tuple[str, ...] = ()
    forced_because: str | None = None  # why it was served although the evidence is against it
    release: str | None = None  # identity of the repository: of model and serving settings
    pointer: dict[str, Any] | None = None  # of a promotion: what champion/model.dvc says, by which DVC finds the files
    route: str | None = None  # of a route: its digest, 16 hexadecimal digits; `model` is its challenger's, else its champion's
    text: str | None = None  # of a route: the file


def append(store: Path, entry: Entry) -> dict[str, Any]:
    """Write the entry behind all others and sync it; returns the line as `read` gives it.

    Raises OSError where that fails, and what was written of the line is taken back then.
    """
    store.mkdir(parents=True, exist_ok=True)
    line = {"format": FORMAT, "time": clock().now().isoformat(timespec="milliseconds"), **_who(), **vars(entry)}
    text = json.dumps(line, sort_keys=True)
    append_line(store / NAME, text.encode())
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def read(store: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """All whole lines, oldest first, and the numbers of those that cannot be read. Raises ValueError for another format."""
    path = store / NAME
    lines = path.read_bytes().splitlines() if path.is_file() else []
    entries, broken = [], []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            found = entry["format"]
        except (ValueError, KeyError, TypeError):
            broken.append(number)
            continue
        if found != FORMAT:
            raise ValueError(f"{path}, line {number}: expected format {FORMAT}, got {found!r}, of another version of adclick")
        entries.append(entry)
    return entries, broken


def _who() -> dict[str, Any]:
    return {"by": getpass.getuser(), "host": socket.gethostname(), "code": git_revision()}

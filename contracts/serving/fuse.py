"""The fuse of a route: a file beside it that says that its challenger is off for good, and why (docs/routing.md).

Whoever puts a challenger off writes it, whoever comes first; nobody changes it. `serving/native/routing/fuse.c` writes the same.
"""

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.files import sync

FUSES = "fuses"  # folder in a store of releases
UNREADABLE = "unreadable"  # reason of a fuse that says none; it is blown all the same


@dataclass(frozen=True, kw_only=True)
class Fuse:
    """Why the challenger of a route is off."""

    reason: str
    at_ns: int | None = None  # since 1970
    evidence: Mapping[str, Any] = field(default_factory=dict)


def shown(digest: int) -> str:
    """A route's digest as files, metrics and people have it."""
    return f"{digest:016x}"


def fuse_path(store: Path, digest: int) -> Path:
    return store / FUSES / f"{shown(digest)}.json"


def read_fuse(store: Path, digest: int) -> Fuse | None:
    """None if it is whole."""
    try:
        found = json.loads(fuse_path(store, digest).read_bytes())
        return Fuse(reason=str(found["reason"]), at_ns=int(found["at"]), evidence=dict(found["evidence"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return Fuse(reason=UNREADABLE)


def write_fuse(store: Path, digest: int, reason: str, evidence: Mapping[str, Any], at_ns: int) -> bool:
    """Have the route's challenger off for good; False if it was already, whose reason stays. Raises OSError."""
    path = fuse_path(store, digest)
    path.parent.mkdir(exist_ok=True)
    content = {"route": shown(digest), "reason": reason, "at": at_ns, "evidence": dict(evidence)}
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        partial.write_text(json.dumps(content) + "\n")
        sync(partial)
        with suppress(FileExistsError):
            os.link(partial, path)  # where a rename would replace one that is there
            return True
        return False
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
            sync(path.parent)
            sync(store)  # the folder of fuses may be new

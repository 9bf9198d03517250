"""The fuse of a route: a file that says that its challenger is off for good, and why."""

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

from contracts.serving.route import FUSES
from serving.triton.routing.guards import Trip


def shown(digest: int) -> str:
    """A route's digest as it is written."""
    return f"{digest:016x}"


def fuse_path(route: Path, digest: int) -> Path:
    """Where the fuse of a route is, or will be; `route` is the route's file."""
    return route.parent / FUSES / f"{shown(digest)}.json"


def blow(path: Path, digest: int, trip: Trip, at_ns: int) -> bool:
    """Write the fuse, whole; False if there is one already, which stays as it is. Raises OSError."""
    told = {"route": shown(digest), "reason": trip.reason, "at": at_ns, "evidence": trip.evidence}
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        with partial.open("x") as file:
            file.write(json.dumps(told) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, path)  # where a rename would replace one that is there
        except FileExistsError:
            return False
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return True
    finally:
        with suppress(OSError):
            partial.unlink()

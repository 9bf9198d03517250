"""Secrets in files: made once, for this user's eyes only, never printed."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

NUM_BYTES = 32


def secret_of(path: Path) -> str:
    """The secret in the file, which is made with mode 0600 if it is missing.

    Raises PermissionError if others may read the file, ValueError if nothing is in it.
    """
    if not path.exists():
        _make(path)
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} can be read by others; run `chmod 600 {path}`, or remove it and start again")
    found = path.read_text().strip()
    if not found:
        raise ValueError(f"{path} is empty; remove it, the next start makes a new secret")
    return found


def _make(path: Path) -> None:
    """A new secret at `path`, there at once and whole; one that another process has made in the meantime stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(secrets.token_urlsafe(NUM_BYTES) + "\n")
    with suppress(FileExistsError):
        os.link(partial, path)
    partial.unlink()

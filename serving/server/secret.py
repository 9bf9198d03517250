"""The secret of the closed APIs (model control, shared memory, trace, logging, statistics): made once, never printed."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

ENV = "ADCLICK_TRITON_SECRET"
HEADER = "adclick-admin"  # HTTP: this name; gRPC metadata: triton-grpc-protocol-<name>
NUM_BYTES = 32


def admin_secret(path: Path) -> str:
    """The secret from the environment, else from the file, which is made with mode 0600 if it is missing.

    Raises PermissionError if others may read the file.
    """
    if os.environ.get(ENV):
        return os.environ[ENV]
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


def http_headers(secret: str) -> dict[str, str]:
    return {HEADER: secret}


def grpc_headers(secret: str) -> dict[str, str]:
    return {f"triton-grpc-protocol-{HEADER}": secret}

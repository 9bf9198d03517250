"""The secret of the closed APIs (model control, shared memory, trace, logging, statistics): made once, never printed."""

import os
import secrets
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
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_urlsafe(NUM_BYTES) + "\n")
    except FileExistsError:
        pass
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} can be read by others; run `chmod 600 {path}`, or remove it and start again")
    found = path.read_text().strip()
    if not found:
        raise ValueError(f"{path} is empty; remove it, the next start makes a new secret")
    return found


def http_headers(secret: str) -> dict[str, str]:
    return {HEADER: secret}


def grpc_headers(secret: str) -> dict[str, str]:
    return {f"triton-grpc-protocol-{HEADER}": secret}

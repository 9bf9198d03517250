"""The secret of the closed APIs (model control, shared memory, trace, logging, statistics): made once, never printed."""

import os
from pathlib import Path

from serving.secret_file import secret_of

ENV = "ADCLICK_TRITON_SECRET"
HEADER = "adclick-admin"  # HTTP: this name; gRPC metadata: triton-grpc-protocol-<name>


def admin_secret(path: Path) -> str:
    """The secret from the environment, else from the file, which is made with mode 0600 if it is missing.

    Raises PermissionError if others may read the file.
    """
    return os.environ.get(ENV) or secret_of(path)


def http_headers(secret: str) -> dict[str, str]:
    return {HEADER: secret}


def grpc_headers(secret: str) -> dict[str, str]:
    return {f"triton-grpc-protocol-{HEADER}": secret}

"""Triton's command line: the same for the server of the wheel and for the container."""

from dataclasses import dataclass
from pathlib import Path

from contracts.serving.config import ServerConfig
from serving.server.secret import HEADER

CLOSED = "model-repository,shared-memory,trace,logging,statistics"  # APIs that need the secret


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where the server finds its files. None: where its own installation has them, or no TLS."""

    store: Path
    backends: Path | None = None
    caches: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None


def triton_arguments(config: ServerConfig, paths: Paths, models: list[str], secret: str) -> list[str]:
    """Arguments of `tritonserver`. The secret is among them, Triton takes it no other way: do not print them."""
    folders = {"backend-directory": paths.backends, "cache-directory": paths.caches}
    certificates = {"grpc-server-cert": paths.tls_cert, "grpc-server-key": paths.tls_key}
    return [
        f"--model-repository={paths.store}",
        *(f"--{name}={path}" for name, path in folders.items() if path is not None),
        *(f"--{name}={path}" for name, path in certificates.items() if path is not None),
        f"--grpc-use-ssl={str(paths.tls_cert is not None).lower()}",
        f"--cache-config=local,size={config.cache_mib << 20}",
        "--model-control-mode=explicit",
        *(f"--load-model={name}" for name in models),
        "--disable-auto-complete-config",
        "--strict-readiness=true",
        f"--exit-timeout-secs={config.exit_timeout_s}",
        f"--http-address={config.host}",
        f"--http-port={config.http_port}",
        f"--http-restricted-api={CLOSED}:{HEADER}={secret}",
        f"--grpc-address={config.host}",
        f"--grpc-port={config.grpc_port}",
        f"--grpc-restricted-protocol={CLOSED}:{HEADER}={secret}",
        f"--metrics-address={config.host}",
        f"--metrics-port={config.metrics_port}",
    ]

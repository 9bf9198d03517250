"""What a client of the served model is told: where the server is, how long to wait, how much to send at a time."""

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from serving.client.protocols import Address
from serving.client.retries import Deadline

PROTOCOLS = ("grpc", "http")
SCHEMES = ("http", "https", "grpc", "grpcs")


@dataclass(kw_only=True, eq=False)
class ClientSettings:
    """What both clients are told."""

    url: str = field(kw_only=False)  # host:port; http:// or grpc:// before it is ignored, https:// or grpcs:// means tls
    protocol: Literal["grpc", "http"] = field(default="grpc", kw_only=False)
    model: str = "ctr"
    timeout_s: float = 5.0  # of one request
    deadline_s: float = 60.0  # of one `predict`, whatever it takes: pieces, retries, pauses
    attempts: int = 8  # of one request that finds the server unavailable
    in_flight: int = 4  # requests that one client has under way for frames that need several
    tls: bool = False
    root_certificates: str | PathLike[str] | None = None  # PEM file of whom to trust, implies tls; None: the system's

    def __post_init__(self) -> None:
        for name in ("timeout_s", "deadline_s", "attempts", "in_flight"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"protocol must be {' or '.join(PROTOCOLS)}, got {self.protocol!r}")
        self._address = self._parsed()

    def _parsed(self) -> Address:
        scheme, _, rest = self.url.rpartition("://")
        try:
            parts = urlsplit(f"//{rest}")
            known = parts.hostname and parts.port and parts.path in ("", "/")
        except ValueError:  # of a port that is no number, of brackets that do not close
            known = False
        if not known or (scheme and scheme not in SCHEMES):
            raise ValueError(f"url must be host:port, such as 127.0.0.1:8001, got {self.url!r}")
        certificates = None if self.root_certificates is None else str(self.root_certificates)
        if certificates is not None and not Path(certificates).is_file():
            raise ValueError(f"root_certificates: {certificates} does not exist")
        return Address(
            host_port=parts.netloc,
            model=self.model,
            tls=self.tls or certificates is not None or scheme in ("https", "grpcs"),
            root_certificates=certificates,
        )

    def _deadline(self, deadline_s: float | None) -> Deadline:
        return Deadline.after(self.deadline_s if deadline_s is None else deadline_s)

    def _attempt_s(self, deadline: Deadline) -> float:
        return min(self.timeout_s, deadline.left())

"""What a load generator found, whichever it was."""

import shutil
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GeneratorResult:
    """One run of a generator."""

    requests: int  # answered as they should be
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.seconds


def program(name: str, package: str) -> str:
    """The path of a generator. Raises ValueError with what to install."""
    found = shutil.which(name)
    if found is None:
        raise ValueError(
            f"{name} is missing and makes the load of `make compare`; install it (Debian, Ubuntu: apt-get install {package})"
        )
    return found

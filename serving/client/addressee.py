"""Who shall answer a request: the arm of whoever asks, by their routing key, or a release that is named."""

from dataclasses import dataclass
from numbers import Integral

from contracts.serving.route import LONGEST_KEY, RELEASE, ROUTING_KEY

HIGHEST_RELEASE = 2**63 - 1  # a parameter is an int64


@dataclass(frozen=True, kw_only=True)
class Addressee:
    """Raises TypeError or ValueError, with one sentence, for what no request can say."""

    routing_key: str | None = None
    release: int | None = None

    def __post_init__(self) -> None:
        if self.routing_key is not None:
            _check_key(self.routing_key)
        if self.release is not None:
            _check_release(self.release)

    @property
    def parameters(self) -> dict[str, str | int]:
        """Of a request."""
        said: dict[str, str | int] = {} if self.routing_key is None else {ROUTING_KEY: self.routing_key}
        return said if self.release is None else said | {RELEASE: int(self.release)}


def _check_key(key: str) -> None:
    if not isinstance(key, str):
        raise TypeError(f"{ROUTING_KEY} must be a str, one for all rows of a call, got {type(key).__name__}")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{ROUTING_KEY} {key[:40]!r} has characters that UTF-8 cannot write; give a text") from None
    if not 1 <= size <= LONGEST_KEY:
        raise ValueError(f"{ROUTING_KEY} must have 1 to {LONGEST_KEY} bytes, got {size}; leave it out where there is none")
    if "\0" in key:
        raise ValueError(f"{ROUTING_KEY} {key[:40]!r} holds a NUL, at which the server would end it; give it without")


def _check_release(release: int) -> None:
    if not isinstance(release, Integral) or isinstance(release, bool):  # NumPy's whole numbers are some
        raise TypeError(f"{RELEASE} must be an int, the number of a release, got {type(release).__name__}")
    if not 1 <= release <= HIGHEST_RELEASE:
        raise ValueError(f"{RELEASE} must be the number of a release, 1 or more, got {release}")

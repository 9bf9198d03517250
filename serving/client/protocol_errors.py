"""What went wrong on the way to the server, as one of the client's own errors."""

import http.client
import json
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import urllib3.exceptions
from tritonclient.utils import InferenceServerException

from serving.client.errors import TOO_MUCH, DeadlineExceeded, RefusedRequest, ServerFailed, ServerUnavailable, StaleModel

REQUEST_ID = re.compile(r"^\[request id: [^\]]*\] ")  # Triton writes it before some messages
STALE = (  # the first and the last in the words of serving/triton/packed_request.py, the other in Triton's
    "was made for another declaration",
    "batch-size must be <=",
    TOO_MUCH,
)
DEAD_PROCESS = "is not healthy"  # Triton's words for a Python model whose process has died; the watchdog starts another
REFUSED = ("INVALID_ARGUMENT", "400")
BUSY = ("UNAVAILABLE", "429", "502", "503")
LATE = ("DEADLINE_EXCEEDED", "504")
NO_HTTP = "{} speaks no HTTP; is it the port of gRPC?"
NOT_CONNECTED = ("last error: ", "resolving ", "Socket closed")  # gRPC's words, not a server's
PROXY = "; the way there leads through the proxy that {} names: unset it, or add the host to no_proxy"
UNTRUSTED = (urllib3.exceptions.SSLError, aiohttp.ClientSSLError)


@contextmanager
def own_errors(server: str, timeout_s: float, proxy: str | None = None) -> Iterator[None]:
    """Raise the libraries' errors as ours; `server` is how the messages call it, `proxy` the variable of the proxy before it."""
    try:
        yield
    except InferenceServerException as error:
        raise _of_triton(error, server, timeout_s, "" if proxy is None else PROXY.format(proxy)) from None
    except urllib3.exceptions.NewConnectionError as error:  # a ConnectTimeoutError as well
        raise ServerUnavailable(f"{server} is not available: {_reason(error)}") from None
    except urllib3.exceptions.ConnectTimeoutError:
        raise ServerUnavailable(f"{server} cannot be reached within {timeout_s:.3g} s") from None
    except (TimeoutError, urllib3.exceptions.TimeoutError):
        raise DeadlineExceeded(f"{server} did not answer within {timeout_s:.3g} s") from None
    except UNTRUSTED as error:
        raise ServerFailed(f"no trusted TLS connection to {server}: {_reason(error)}") from None
    except aiohttp.ClientResponseError:
        raise ServerFailed(NO_HTTP.format(server)) from None
    except (urllib3.exceptions.HTTPError, aiohttp.ClientError, OSError) as error:
        if type(_cause(error)) is http.client.BadStatusLine:  # its subclass RemoteDisconnected says something else
            raise ServerFailed(NO_HTTP.format(server)) from None
        raise ServerUnavailable(f"{server} is not available: {_reason(error)}") from None
    except (ValueError, KeyError, TypeError) as error:  # of reading the answer
        raise ServerFailed(f"{server} answers as Triton does not ({type(error).__name__}); is it the right address?") from None


def http_failure(status: int, body: bytes) -> InferenceServerException:
    """An HTTP answer other than 200 as tritonclient would raise it."""
    try:
        text = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        text = body.decode("utf-8", "replace") or "no reason given"
    return InferenceServerException(text, status=str(status))


def _of_triton(error: InferenceServerException, server: str, timeout_s: float, advice: str) -> Exception:
    status = (error.status() or "").removeprefix("StatusCode.")
    text = REQUEST_ID.sub("", error.message() or "no reason given").strip().split("\n")[0]
    if status in REFUSED:
        return StaleModel(text) if any(sign in text for sign in STALE) else RefusedRequest(text)
    if status in LATE:
        return DeadlineExceeded(f"{server} did not answer within {timeout_s:.3g} s{advice}")
    if status in BUSY or DEAD_PROCESS in text:
        # gRPC: "failed to connect to all addresses; last error: UNKNOWN: ipv4:...: Failed to connect ...: Connection refused"
        connected = not any(sign in text for sign in NOT_CONNECTED)
        text = text.rpartition(": ")[2] if "last error" in text else text
        advice = "" if connected else advice or ("; is it the port of gRPC?" if text == "Socket closed" else "")
        return ServerUnavailable(f"{server} is not available: {text}{advice}")
    return ServerFailed(f"{server} failed: {text}")


def _cause(error: BaseException) -> BaseException:
    """The innermost cause, which is the operating system's word where there is one."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _reason(error: Exception) -> str:
    cause = _cause(error)
    if isinstance(cause, OSError) and cause.errno and not isinstance(cause, ssl.SSLError):
        # asyncio puts its own words in the place of the system's
        return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)
    return " ".join(str(cause).split()) or type(cause).__name__

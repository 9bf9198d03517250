"""Doors in front of real Triton that fail as they are told and count: what a client makes of a bad day."""

import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import urllib3

from serving.server.server import TritonServer

CODES = {503: grpc.StatusCode.UNAVAILABLE, 500: grpc.StatusCode.INTERNAL, 400: grpc.StatusCode.INVALID_ARGUMENT}


@dataclass
class Door:
    """Requests for predictions fail with `failures` (HTTP status, text) one after the other, then they go to Triton."""

    failures: list[tuple[int, str]] = field(default_factory=list)
    delay_s: float = 0.0  # before each answer
    change_config: Callable[[bytes], bytes] = bytes  # of what HTTP says of the model
    certificate: tuple[Path, Path] | None = None  # and its key, PEM files: the door speaks TLS
    url: str = ""
    calls: Counter[str] = field(default_factory=Counter)  # config, infer
    most_at_once: int = 0
    _now: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    @contextmanager
    def counted(self, what: str) -> Iterator[tuple[int, str] | None]:
        """Count a call; gives how it shall fail."""
        with self._lock:
            self.calls[what] += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            failure = self.failures.pop(0) if self.failures and what == "infer" else None
        try:
            time.sleep(self.delay_s if what == "infer" else 0)
            yield failure
        finally:
            with self._lock:
                self._now -= 1


@contextmanager
def http_door(server: TritonServer, port: int = 0, **settings: Any) -> Iterator[Door]:
    """A Door that speaks HTTP."""
    door, pool = Door(**settings), urllib3.PoolManager(maxsize=16)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with door.counted("config"):
                found = pool.request("GET", server.http_url + self.path)
                self._answer(found.status, door.change_config(found.data), {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with door.counted("infer") as failure:
                if failure is not None:
                    self._answer(failure[0], f'{{"error": "{failure[1]}"}}'.encode(), {})
                    return
                name = "Inference-Header-Content-Length"
                found = pool.request("POST", server.http_url + self.path, body=body, headers={name: self.headers[name]})
                self._answer(found.status, found.data, {name: found.headers.get(name)})

        def _answer(self, status: int, body: bytes, headers: dict[str, str | None]) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                if value is not None:
                    self.send_header(key, value)
            self.end_headers()
            with suppress(OSError):  # whoever asked may have given up
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    listener.daemon_threads = True
    if door.certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*door.certificate)
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
    thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
    thread.start()
    door.url = f"127.0.0.1:{listener.server_address[1]}"
    try:
        yield door
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


@contextmanager
def grpc_door(server: TritonServer, port: int = 0, **settings: Any) -> Iterator[Door]:
    """A Door that speaks gRPC and passes messages on as bytes."""
    door = Door(**settings)

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(lambda message, context: self._call(details.method, message, context))

        def _call(self, method: str, message: bytes, context: grpc.ServicerContext) -> bytes:
            with door.counted("infer" if method.endswith("ModelInfer") else "config") as failure:
                if failure is not None:
                    context.abort(CODES[failure[0]], failure[1])
                try:
                    return channel.unary_unary(method)(message)
                except grpc.RpcError as error:
                    context.abort(error.code(), error.details())

    listener = grpc.server(ThreadPoolExecutor(16))
    listener.add_generic_rpc_handlers((Handler(),))
    address = f"127.0.0.1:{port}"
    if door.certificate is None:
        door.url = f"127.0.0.1:{listener.add_insecure_port(address)}"
    else:
        certificate, key = (path.read_bytes() for path in door.certificate)
        door.url = f"127.0.0.1:{listener.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)]))}"
    with grpc.insecure_channel(server.grpc_url) as channel:
        listener.start()
        try:
            yield door
        finally:
            listener.stop(0).wait()


FLAKY = {"grpc": grpc_door, "http": http_door}

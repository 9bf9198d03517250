"""A server that is asked and then killed: what its callers had received by then."""

import json
import signal
import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil
import urllib3

from loadtests.peers.journalled import Journalling
from loadtests.peers.peer_process import process_tree
from loadtests.peers.wire_formats import Body
from serving.client.protocols import HEADER_LENGTH

SENDERS, TIMEOUT_S = 16, 5.0


@dataclass
class Received:
    """Ids of the requests that were answered, whoever has them now."""

    ids: list[bytes] = field(default_factory=list)


def killed(running: Journalling, bodies: Sequence[Body], seconds: float) -> Received:
    """Ask for so long, each time with an id of its own, and end the server with kill -9 in the midst of it."""
    received, stopped = Received(), threading.Event()
    threads = [threading.Thread(target=_send, args=(running, bodies, n, received, stopped)) for n in range(SENDERS)]
    for thread in threads:
        thread.start()
    stopped.wait(seconds)
    for process in process_tree(running.server.pid):
        with suppress(psutil.Error):
            process.send_signal(signal.SIGKILL)
    stopped.set()
    for thread in threads:
        thread.join()
    return received


def _send(running: Journalling, bodies: Sequence[Body], turn: int, received: Received, stopped: threading.Event) -> None:
    url = f"http://{running.server.http}{running.door.path}"
    with urllib3.PoolManager(timeout=TIMEOUT_S, retries=False, maxsize=1) as pool:
        while not stopped.is_set():
            turn += 1
            body, request_id = bodies[turn % len(bodies)], str(uuid.uuid4())
            content, headers = with_id(body, request_id)
            try:
                answer = pool.request("POST", url, body=content, headers=headers)
            except urllib3.exceptions.HTTPError:
                continue
            if answer.status == 200:
                received.ids.append(request_id.encode())


def with_id(body: Body, request_id: str) -> tuple[bytes, dict[str, str]]:
    """The body with an id: in its JSON where that has one, and in a header for the others."""
    length = int(body.headers.get(HEADER_LENGTH, len(body.content)))
    if not body.content.startswith(b'{"inputs"') and HEADER_LENGTH not in body.headers:
        return body.content, body.headers | {"X-Request-Id": request_id}
    head = json.dumps(json.loads(body.content[:length]) | {"id": request_id}).encode()
    headers = body.headers | ({HEADER_LENGTH: str(len(head))} if HEADER_LENGTH in body.headers else {})
    return head + body.content[length:], headers

"""serving/preload: what Triton's HTTP front end hands to its threads is delivered, however much at once. Nothing else changes."""

import os
import selectors
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from loadtests.requests.bodies import HEADER_LENGTH, binary_body
from serving.server.runtime import PRELOADED
from tests.serving.doors import packed
from tests.serving.served_world import REPOSITORY, VENV, serving

pytestmark = pytest.mark.triton
CONNECTIONS, ROWS, BURSTS, WITHIN_S = 900, 16, 3, 10
SMALL, LARGE = 17, 65  # bytes of a message of libevhtp, and of one that is too long to be kept

PAIR = """
import os, socket, subprocess, sys, time
def pair(kind=socket.AF_UNIX):
    if kind == socket.AF_UNIX:
        ends = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as server:
            ends = socket.create_connection(server.getsockname()), server.accept()[0]
    ends[0].setblocking(False)
    ends[1].settimeout(5)
    return ends
def fill(end, size, limit):
    for number in range(limit):
        try:
            if end.send(number.to_bytes(size, "little")) != size:
                assert end.family == socket.AF_INET  # which takes part of a message where there is room for that
                return number
        except BlockingIOError:
            return number
    return limit
def read(end, number, size):
    found = b""
    while len(found) < number * size:
        found += end.recv(1 << 16)
    return [int.from_bytes(found[i : i + size], "little") for i in range(0, len(found), size)]
"""


def said(script: str, preload: bool = True) -> str:
    """What a Python says that runs the script with the library loaded, as Triton has it."""
    folder = (VENV / PRELOADED).parent.resolve()
    environment = {"LD_PRELOAD": PRELOADED.name, "LD_LIBRARY_PATH": str(folder)} if preload else {}
    found = subprocess.run(
        [os.path.realpath(sys.executable), "-I", "-c", PAIR + script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return found.stdout.strip()


def test_messages_that_the_socket_has_no_room_for_arrive_in_their_order():
    script = f"a, b = pair(); print(fill(a, {SMALL}, 20_000), read(b, 20_000, {SMALL}) == list(range(20_000)))"
    assert said(script) == "20000 True"


def test_without_it_the_kernel_takes_some_hundred():
    assert int(said(f"a, b = pair(); print(fill(a, {SMALL}, 20_000))", preload=False)) < 1000


def test_one_that_is_sent_while_others_wait_stays_behind_them():
    script = f"""
a, b = pair(); fill(a, {SMALL}, 1000)
first = read(b, 500, {SMALL}); a.send((1000).to_bytes({SMALL}, "little"))
print(first + read(b, 1001 - len(first), {SMALL}) == list(range(1001)))"""
    assert said(script) == "True"


def test_sockets_whose_readers_sleep_do_not_hold_up_others():
    script = f"""
sleeping, awake = [pair() for _ in range(20)], pair()
for a, _ in sleeping: fill(a, {SMALL}, 1000)
fill(awake[0], {SMALL}, 1000)
print(read(awake[1], 1000, {SMALL}) == list(range(1000)))
print(all(read(b, 1000, {SMALL}) == list(range(1000)) for _, b in sleeping))"""
    assert said(script) == "True\nTrue"


@pytest.mark.parametrize(
    ("kind", "size"), [("AF_INET", SMALL), ("AF_UNIX", LARGE), ("AF_UNIX", 1)], ids=["tcp", "long", "one byte"]
)
def test_what_is_no_message_of_the_front_end_is_refused_as_ever(kind, size):
    taken = said(f"a, b = pair(socket.{kind}); print(fill(a, {size}, 200) + fill(a, {size}, 2_000_000))")
    assert int(taken) < 2_000_000


def test_a_reader_that_goes_away_costs_only_what_it_had_to_read():
    script = f"""
(a, b), (c, d) = pair(), pair(); fill(a, {SMALL}, 1000); b.close(); time.sleep(0.1)
try: a.send(bytes({SMALL}))
except BrokenPipeError: print("gone")
fill(c, {SMALL}, 1000); print(read(d, 1000, {SMALL}) == list(range(1000)))"""
    assert said(script) == "gone\nTrue"


@pytest.mark.parametrize("way", ["os.dup2(c.fileno(), a.fileno())", "a.close(); os.dup2(c.fileno(), number)"])
def test_a_number_that_becomes_another_sockets_gets_nothing_of_the_first(way):
    script = f"""
(a, b), (c, d) = pair(), pair(); fill(a, {SMALL}, 1000); number = a.fileno()
{way}
e = socket.socket(fileno=os.dup(number)); e.setblocking(False); e.send((7).to_bytes({SMALL}, "little"))
print(read(d, 1, {SMALL}), read(b, 1000, {SMALL}) == list(range(1000)), len(b.recv(1)))"""
    assert said(script) == "[7] True 0"


def test_children_do_without():
    found = said("print(sorted(os.environ)); subprocess.run(['env'])")
    assert "LC_CTYPE" in found and "LD_PRELOAD" not in found


def test_no_answer_is_lost_when_many_are_ready_at_once(exported, tmp_path, spec, exported_rows):
    """Connections made at one time go to one thread of Triton's; without the library a burst of these loses hundreds."""
    tensors = packed(exported_rows[:ROWS], spec)
    typed = {name: ("BYTES" if values.dtype == object else "FP32", values) for name, values in tensors.items()}
    body, header_length = binary_body(typed, spec.digest)
    head = f"POST /v2/models/ctr/infer HTTP/1.1\r\nHost: here\r\n{HEADER_LENGTH}: {header_length}\r\nContent-Length: {len(body)}"
    content = f"{head}\r\n\r\n".encode() + body
    with serving(tmp_path, exported / REPOSITORY) as server:
        for _ in range(BURSTS):
            assert statuses(("127.0.0.1", server.config.http_port), content) <= {"200", "503"}  # 503: the queue is full


def statuses(address: tuple[str, int], content: bytes) -> set[str]:
    """What the same request is answered on many connections at once."""
    found = set()
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        waiting = {stack.enter_context(socket.create_connection(address)) for _ in range(CONNECTIONS)}
        for connection in waiting:
            selector.register(connection, selectors.EVENT_READ)
        for connection in waiting:
            connection.sendall(content)
        end = time.monotonic() + WITHIN_S
        while waiting:
            assert time.monotonic() < end, f"{len(waiting)} of {CONNECTIONS} requests were never answered"
            for key, _ in selector.select(0.5):
                found.add(key.fileobj.recv(1 << 16)[9:12].decode())
                selector.unregister(key.fileobj)
                waiting.remove(key.fileobj)
    return found

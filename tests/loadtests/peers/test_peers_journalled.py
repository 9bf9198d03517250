"""Servers that remember: each request has an id that is found again, and what a kill costs is counted."""

import json
import re
import sys
from pathlib import Path

import pytest

from bench.journal.peers import figures
from loadtests.peers import wire_formats as wire
from loadtests.peers.contenders import Door
from loadtests.peers.journalled import NAMES, OURS, PEERS, Journalling
from loadtests.peers.killed import killed, with_id
from loadtests.peers.peer_process import PeerProcess
from loadtests.peers.rounds import Running
from loadtests.peers.same_answers import NotReady, ask
from loadtests.peers.servers.journal_lines import FOLDER, JsonLines
from loadtests.peers.wire_formats import Body
from serving.client.protocols import HEADER_LENGTH
from serving.server.ports import free_ports
from tests.loadtests.peer_world import all_rows, four_rows

ID = "01234567-89ab-7cde-8f01-23456789abcd"
SERVER = """import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
kept, seen = [], open(sys.argv[2], "ab", buffering=0)
class Remembers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        kept.append((self.headers.get("X-Request-Id", "") + "\\n").encode())
        if len(kept) >= int(sys.argv[3]):
            seen.write(b"".join(kept))
            kept.clear()
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")
    def log_message(self, *_): pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Remembers).serve_forever()
"""


def test_a_request_has_its_id_where_the_server_reads_it():
    digest = four_rows().spec.digest
    for body in (wire.packed(all_rows(), digest), wire.text_rows(all_rows(), digest)):
        content, headers = with_id(body, ID)
        assert content == body.content and headers["X-Request-Id"] == ID
    body = wire.text_open_inference(all_rows(), digest)
    content, headers = with_id(body, ID)
    assert json.loads(content) == json.loads(body.content) | {"id": ID} and headers == body.headers
    body = wire.binary_open_inference(all_rows(), digest)
    content, headers = with_id(body, ID)
    before, after = int(body.headers[HEADER_LENGTH]), int(headers[HEADER_LENGTH])
    assert json.loads(content[:after]) == json.loads(body.content[:before]) | {"id": ID}
    assert content[after:] == body.content[before:]


def test_the_packed_text_is_what_the_other_peer_is_sent():
    sent = json.loads(wire.text_rows(all_rows(), "").content)
    assert wire.packed(all_rows(), "").content.endswith(sent["text"].encode()) and len(sent["numeric"]) == 4
    named = {one["name"]: one for one in json.loads(wire.text_open_inference(all_rows(), "").content)["inputs"]}
    assert named["text"]["data"] == [sent["text"]] and named["numeric"]["shape"] == [4, 2]


def test_a_line_is_on_the_disk_before_the_answer(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    payload = all_rows()
    JsonLines().write(ID, "a text", payload.numeric_NM, payload.numeric_NM[:, 0])
    (line,) = next(tmp_path.glob("*.jsonl")).read_text().splitlines()
    assert json.loads(line)["request_id"] == ID and len(json.loads(line)["numeric"]) == 4
    running = Journalling(door=OURS, server=Running(pid=0, http="", grpc=""), folder=tmp_path)
    assert running.remembered() == {ID.encode()}


@pytest.mark.parametrize(("buffered", "is_lost"), [(1, False), (1000, True)])
def test_what_a_kill_costs_is_counted(tmp_path, buffered, is_lost):
    (port,) = free_ports(1)
    (tmp_path / "server.py").write_text(SERVER)
    door = Door(name="remembers", path="/predict", body=wire.packed, answer=wire.probabilities_raw)
    address, body = f"127.0.0.1:{port}", Body(content=b"12", headers={})

    def answers() -> bool:
        try:
            return ask(door, address, body) == b"[]"
        except NotReady:
            return False

    command = [sys.executable, "server.py", str(port), "seen.txt", str(buffered)]
    with PeerProcess("remembers", command, {}, tmp_path, answers) as process:
        running = Journalling(door=door, server=Running(pid=process.pid, http=address, grpc=""), folder=tmp_path)
        received = killed(running, [body], 1.0)
        assert process.process.wait(5) == -9
    missing = set(received.ids) - running.remembered()
    assert len(received.ids) > 20 and bool(missing) == is_lost


def test_ours_is_held_against_the_best_peer_and_may_lose_nothing():
    first, second, third = (one.doors[0].name for one in PEERS)
    rates = {OURS.name: [900.0, 1000.0, 950.0], first: [300.0, 320.0, 310.0], second: [100.0] * 3, third: [50.0] * 3}
    lost = {name: [(1000, 0), (1000, 3 if name == second else 0)] for name in NAMES}
    found = figures(rates, lost, 3.0)
    assert [figure.met for figure in found] == [True, None, None, None, True]
    assert found[-1].figure == f"3.06x of {first}"
    assert re.search(r"100 requests/s .*kill -9: 3 of 2,000 received answers lost", found[2].figure)
    lost[OURS.name] = [(1000, 1)]
    assert figures(rates, lost, 3.1)[0].met is False and figures(rates, lost, 3.1)[-1].met is False


def test_every_server_that_is_compared_has_a_name_of_its_own():
    assert len({*NAMES}) == 4 and all(Path(name.split(",")[0]).name for name in NAMES)

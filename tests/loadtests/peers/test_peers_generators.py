"""What wrk and h2load are given and what they say: scripts, bodies, output, percentiles, errors."""

import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from loadtests.peers import h2load, wrk
from loadtests.peers.generator import program
from loadtests.peers.wire_formats import Body

WRK_SAID = """Running 4s test @ http://127.0.0.1:9/predict
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     9.51ms    6.32ms  93.21ms   81.20%
  Latency Distribution
     50%    9.44ms
     99%   65.92ms
  25876 requests in 4.00s, 6.32MB read
  Non-2xx or 3xx responses: 30
"""
WRK_SAID += 'adclick-result {"requests":25876,"duration_us":4001000,"p50_us":9440.000,"p99_us":65920.500,'
WRK_SAID += '"connect":1,"read":2,"write":3,"status":30,"timeout":4}\n'
H2LOAD_SAID = """starting benchmark...
spawning thread #0: 2 total client(s). Timing-based test with 0.00s of warm-up time and 1.00s of main duration for measurements.
finished in 1.00s, 3.00 req/s, 1.18MB/s
requests: 3 total, 5 started, 3 done, 3 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 3 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.21KB (1234) total, 54B (54) headers (space savings 92.31%), 30B (30) data
"""


def test_wrk_output_is_read_with_every_kind_of_error() -> None:
    found = wrk.parse(WRK_SAID)
    assert (found.requests, found.errors) == (25876 - 30, 1 + 2 + 3 + 30 + 4)
    assert (found.seconds, found.p50_ms, found.p99_ms) == (4.001, 9.44, 65.9205)
    assert found.requests_per_s == pytest.approx(25846 / 4.001)


def test_wrk_that_says_nothing_is_an_error_with_its_last_words() -> None:
    with pytest.raises(ValueError, match="0 lines of results.*unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:9 Connection refused")


def test_script_tells_lua_where_each_body_ends(tmp_path) -> None:
    bodies = [Body(content=b"\x00\xff]]", headers={"X": 'a "b" \\c'}), Body(content=b"second")]
    script = wrk.write_script(tmp_path, "/predict", bodies).read_text()
    assert (tmp_path / "bodies.bin").read_bytes() == b"\x00\xff]]second"
    assert re.findall(r"length = (\d+)", script) == ["4", "6"]
    assert '["X"] = "a \\"b\\" \\\\c"' in script and '"/predict"' in script


def test_script_refuses_a_header_that_would_break_the_request(tmp_path) -> None:
    with pytest.raises(ValueError, match="must be printable"):
        wrk.write_script(tmp_path, "/predict", [Body(content=b"", headers={"X": "a\r\nb"})])


def test_missing_generator_is_one_sentence_that_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="apt-get install nghttp2-client"):
        program("h2load", "nghttp2-client")


def test_h2load_log_gives_latencies_and_the_time_from_first_to_last() -> None:
    log = "1000000\t200\t1000\n1000500\t200\t3000\n2000000\t200\t2000\n"
    piece = h2load.parse(H2LOAD_SAID, log, answer_bytes=5)  # 3 messages of 5 + 5 bytes
    assert piece.latencies_ms.tolist() == [1.0, 3.0, 2.0]
    assert (piece.seconds, piece.errors) == (1.002, 0)
    assert type(piece.seconds) is float and type(h2load.joined([piece]).p99_ms) is float  # what JSON can hold


def test_h2load_calls_without_a_message_are_errors_although_http_says_200() -> None:
    log = "1000000\t200\t1000\n1000500\t200\t3000\n2000000\t200\t2000\n"
    assert h2load.parse(H2LOAD_SAID.replace("(30) data", "(19) data"), log, answer_bytes=5).errors == 2


def test_h2load_calls_with_another_status_are_errors_and_have_no_latency() -> None:
    log = "1000000\t200\t1000\n1000500\t-1\t3000\n2000000\t503\t2000\n"
    piece = h2load.parse(H2LOAD_SAID.replace("(30) data", "(10) data"), log, answer_bytes=5)
    assert (piece.latencies_ms.tolist(), piece.errors) == ([1.0], 2)


def test_pieces_of_h2load_are_one_load() -> None:
    pieces = [
        h2load.Piece(latencies_ms=np.array([1.0, 2.0, 3.0]), seconds=1.0, errors=0),
        h2load.Piece(latencies_ms=np.array([5.0, 4.0]), seconds=1.5, errors=1),
    ]
    found = h2load.joined(pieces)
    assert (found.requests, found.errors, found.seconds, found.p50_ms) == (4, 1, 2.5, 3.0)
    assert found.requests_per_s == 1.6


def test_h2load_without_any_answer_is_an_error() -> None:
    with pytest.raises(ValueError, match="no answer at all"):
        h2load.joined([h2load.Piece(latencies_ms=np.empty(0), seconds=1.0, errors=3)])


@pytest.fixture
def echo():
    """An HTTP server that keeps what it was sent and answers 400 to the body `bad`."""
    seen: list[tuple[str, bytes, str]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, content, self.headers["X-Number"]))
            self.send_response(400 if content == b"bad" else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


def test_h2load_gets_as_many_calls_as_the_server_takes_in_the_time(monkeypatch, tmp_path) -> None:
    asked = []

    def run(url, body, answer_bytes, folder, clients, calls, timeout_s):
        asked.append((body.content, calls))
        return h2load.Piece(latencies_ms=np.full(calls, 2.0), seconds=calls / 500, errors=0)

    monkeypatch.setattr(h2load, "_run", run)
    bodies = [Body(content=content, headers={}) for content in (b"a", b"b", b"c", b"d")]
    found = h2load.run_h2load("http://127.0.0.1:1", bodies, 10, tmp_path, clients=4, seconds=2)
    assert asked == [(b"a", 80), (b"a", 500), (b"c", 500)]  # the first one is to see how many
    assert (found.requests, found.seconds, found.errors) == (1000, 2.0, 0)


def test_wrk_itself_cycles_through_the_bodies_and_counts_refusals(echo, tmp_path) -> None:
    try:
        program("wrk", "wrk")
    except ValueError as missing:
        pytest.skip(str(missing))
    url, seen = echo
    contents = [b"\x00first\xff", b"bad", b"third"]
    bodies = [Body(content=content, headers={"X-Number": str(i)}) for i, content in enumerate(contents)]
    try:
        found = wrk.run_wrk(f"{url}/predict", wrk.write_script(tmp_path, "/predict", bodies), clients=1, seconds=1)
    except subprocess.TimeoutExpired:
        pytest.fail("wrk did not end")
    first = int(seen[0][2])  # wrk asks its script for one request at the start and does not send it
    expected = [("/predict", contents[i % 3], str(i % 3)) for i in range(first, first + len(seen))]
    assert seen == expected and len(seen) > 10
    assert abs(found.errors - found.requests / 2) <= 1  # one of three is refused
    assert 0 < found.p50_ms <= found.p99_ms

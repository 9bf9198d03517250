"""The endpoint: what it answers and refuses, and that nothing that it acknowledged is lost by a kill."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
from aiohttp.test_utils import TestClient, TestServer

from lifecycle.feedback.running.client import BATCH_HEADER, SECRET_HEADER, send_events
from lifecycle.feedback.server.app import Endpoint
from serving.secret_file import secret_of
from tests.lifecycle.feedback.feedback_world import DAY, START, FeedbackWorld, click, complete, shown
from tests.project.imports import ROOT

SECRET = "for the tests"


def asked(world, *requests):
    """Status and content of each answer of an endpoint in this process: (method, path, body, headers)."""

    async def ask(store):
        endpoint = Endpoint(store, world.around, SECRET)
        async with TestClient(TestServer(endpoint.app())) as client:
            found = []
            for method, path, body, headers in requests:
                answer = await client.request(method, path, data=body, headers={SECRET_HEADER: SECRET} | headers)
                found.append((answer.status, await answer.text()))
        endpoint.close()
        return found

    with world.store() as store:
        return asyncio.run(ask(store))


def lines(*events):
    return "\n".join(map(json.dumps, events)).encode()


def test_events_are_taken_in_and_counted_and_a_retry_counts_once(world):
    world.answer({"id": "a"}, {"id": "b"})
    body = lines(shown("a"), shown("b"), click("a"), {"kind": "click"}, complete(START + 5 * DAY))
    order = json.dumps({"inputs": []}).encode()
    one, again, other, done, metrics = asked(
        world,
        ("POST", "/feedback", body, {BATCH_HEADER: "1"}),
        ("POST", "/feedback", body, {BATCH_HEADER: "1"}),
        ("POST", "/feedback", lines(shown("b")), {BATCH_HEADER: "1"}),
        ("POST", "/order", order, {}),
        ("GET", "/metrics", None, {SECRET_HEADER: ""}),
    )
    counts = {"received": 4, "waiting": 3, "rejected": 1, "duplicate": 0, "heartbeats": 1, "is_repeated": False}
    told = [{"place": 4, "column": "prediction_id", "rule": "names no row: prediction_id and key are missing"}]
    assert (one[0], json.loads(one[1])) == (200, counts | {"rejected_lines": told})
    assert json.loads(again[1])["duplicate"] == 4 and json.loads(again[1])["is_repeated"]
    assert other == (400, json.dumps({"error": "batch 1 came before with other lines; expected an id of its own for each batch"}))
    assert done[0] == 200 and "2 labels are final" in done[1]
    assert world.labels() == {("a", 0): 1, ("b", 0): 0}
    assert 'adclick_feedback_endpoint_events{outcome="matched"} 3.0' in metrics[1]
    assert "adclick_feedback_endpoint_watermark_seconds 1.800432e+09" in metrics[1]


def test_events_that_come_while_others_are_looked_for_are_counted_once_each(world):
    """The thread that takes in and the one that looks have the store at the same time."""
    world.answer(*({"id": f"r{i}"} for i in range(200)))

    async def ask(store):
        endpoint = Endpoint(store, world.around, SECRET)
        headers = {SECRET_HEADER: SECRET}
        async with TestClient(TestServer(endpoint.app())) as client:
            orders = [client.post("/order", data=b"{}", headers=headers) for _ in range(8)]
            posts = [
                client.post("/feedback", data=lines(*(shown(f"r{10 * n + i}") for i in range(10))), headers=headers)
                for n in range(20)
            ]
            answers = await asyncio.gather(*posts[:10], *orders, *posts[10:])
            assert {answer.status for answer in answers} == {200}
        endpoint.close()

    with world.store() as store:
        asyncio.run(ask(store))
    state = world.run()
    assert (state.received, state.matched, state.open_rows) == (200, 200, 200)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "expected"),
    [
        ("/feedback", b"", {SECRET_HEADER: "guessed"}, 403, "is missing or wrong; it is the secret in"),
        ("/order", b"{}", {SECRET_HEADER: ""}, 403, "is missing or wrong"),
        ("/feedback", b"x" * 200_000, {}, 413, "larger than feedback.max_body_mib"),
        ("/feedback", b"\xff", {}, 400, "expected JSON lines in UTF-8"),
        ("/feedback", b"", {BATCH_HEADER: "b" * 200}, 400, "has 200 characters, expected 1 to 128"),
        ("/order", b'{"what": 1}', {}, 400, "order.what is not a known key"),
        ("/order", b'{"inputs": ["none"]}', {}, 400, "none is not there"),
        ("/elsewhere", b"", {}, 404, "Not Found"),
    ],
)
def test_what_is_refused_is_refused_in_one_sentence(tmp_path, monkeypatch, path, body, headers, status, expected):
    world = FeedbackWorld(tmp_path, monkeypatch, max_body_mib=0.1)
    [(code, text)] = asked(world, ("POST", path, body, headers))
    assert code == status and expected in json.loads(text)["error"] and "\n" not in json.loads(text)["error"]
    world.run()
    assert world.state().received == 0


class Serving:
    """The endpoint as a process."""

    def __init__(self, world):
        world.write_params()
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "lifecycle.feedback.server", "--port", "0"]
        self.process = subprocess.Popen(command, cwd=world.folder, env=environment, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[1].removesuffix("/feedback")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def test_what_was_acknowledged_is_there_after_a_kill_and_the_command_hands_its_file_over(world):
    world.answer(*({"id": f"r{i}"} for i in range(30)))
    clicks = world.file("clicks.csv", "prediction_id,row\nr3,0\n")
    with Serving(world) as serving:
        secret = secret_of(world.folder / ".secrets/feedback")
        for number in range(10):
            send_events(serving.url, secret, lines(*(shown(f"r{3 * number + i}") for i in range(3))), f"batch {number}")
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "lifecycle.feedback", str(clicks)]
        handed = subprocess.run(command, cwd=world.folder, env=environment, capture_output=True, text=True, check=True)
        assert "clicks.csv: 1 clicks taken in" in handed.stdout and "31 events received = 31 matched" in handed.stdout
        send_events(serving.url, secret, lines(click("r4")), "last")
    state = world.run()
    assert (state.received, state.matched, state.open_rows) == (32, 32, 30)
    with pytest.raises(ValueError, match="does not answer"):
        send_events(serving.url, secret, b"", "later")


def test_a_port_that_is_taken_is_said_in_one_sentence(world):
    from lifecycle.feedback.server.__main__ import _listening

    with _listening(0) as sock:
        sock.listen()
        with pytest.raises(ValueError, match=r"cannot be used: Address already in use; set feedback.port"):
            _listening(sock.getsockname()[1])

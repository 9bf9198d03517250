"""How long the client waits and when it asks again, before real Triton behind doors that fail as they are told."""

import re
import socket
import threading
import time

import pytest

from serving.client import CtrClient, DeadlineExceeded, RefusedRequest, ServerFailed, ServerUnavailable
from tests.serving.client_world import PROTOCOLS, RAW, assert_answers, predict_async, truth_of
from tests.serving.flaky_doors import FLAKY
from tests.serving.served_world import free_ports
from tests.serving.server.test_tls import self_signed

pytestmark = pytest.mark.triton
BUSY = (503, "overloaded: too many requests are waiting")
FAILED = (ServerFailed, ServerUnavailable)


@pytest.fixture(scope="module")
def truth(strict_exported) -> dict[int, float]:
    return truth_of(strict_exported)


@pytest.fixture(params=PROTOCOLS)
def protocol(request) -> str:
    return request.param


@pytest.mark.parametrize("failure", [BUSY, (500, "Stub process 'ctr_0_0' is not healthy")])
def test_what_may_pass_is_asked_again(strict_server, protocol, truth, failure):
    with FLAKY[protocol](strict_server, failures=[failure] * 2) as door, CtrClient(door.url, protocol) as client:
        assert_answers(client.predict(RAW[:5]), RAW[:5], truth)
        assert door.calls["infer"] == 3


def test_asyncio_asks_again_as_well(strict_server, protocol, truth):
    with FLAKY[protocol](strict_server, failures=[BUSY] * 2) as door:
        assert_answers(predict_async(door.url, protocol, RAW[:5]), RAW[:5], truth)
        assert door.calls["infer"] == 3


@pytest.mark.parametrize(("failure", "error"), [((500, "it broke"), ServerFailed), ((400, "no"), RefusedRequest)])
def test_what_will_not_pass_is_asked_once(strict_server, protocol, failure, error):
    with FLAKY[protocol](strict_server, failures=[failure]) as door, CtrClient(door.url, protocol) as client:
        with pytest.raises(error, match=failure[1]):
            client.predict(RAW[:5])
        assert door.calls["infer"] == 1


def test_a_server_that_stays_busy_is_given_up(strict_server, protocol):
    with FLAKY[protocol](strict_server, failures=[BUSY] * 9) as door, CtrClient(door.url, protocol, attempts=3) as client:
        with pytest.raises(
            ServerUnavailable, match=r"is not available: overloaded: too many requests are waiting \(tried 3 times in"
        ):
            client.predict(RAW[:5])
        assert door.calls["infer"] == 3


@pytest.mark.parametrize("kind", ["threads", "asyncio"])
def test_a_slow_answer_is_not_asked_for_again(strict_server, protocol, kind):
    with FLAKY[protocol](strict_server, delay_s=1.5) as door:
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="did not answer within 0.2 s"):
            if kind == "asyncio":
                predict_async(door.url, protocol, RAW[:5], settings={"timeout_s": 0.2})
            else:
                CtrClient(door.url, protocol, timeout_s=0.2).predict(RAW[:5])
        assert time.monotonic() - start < 1.4
        assert door.calls["infer"] == 1


@pytest.mark.parametrize("kind", ["threads", "asyncio"])
def test_where_nobody_listens_there_is_an_error_before_the_deadline(protocol, kind):
    url, start = f"127.0.0.1:{free_ports(1)[0]}", time.monotonic()
    with pytest.raises(ServerUnavailable, match="is not available: .*refused.* \\(tried [2-9]"):
        if kind == "asyncio":
            predict_async(url, protocol, RAW, deadline_s=1.0)
        else:
            with CtrClient(url, protocol) as client:
                client.predict(RAW, deadline_s=1.0)
    assert time.monotonic() - start < 5


def test_who_accepts_and_says_nothing_is_given_up_at_the_deadline(protocol):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url, start = f"127.0.0.1:{silent.getsockname()[1]}", time.monotonic()
        with CtrClient(url, protocol) as client, pytest.raises(DeadlineExceeded, match="did not answer within"):
            client.predict(RAW, deadline_s=0.5)
        assert 0.4 < time.monotonic() - start < 5


def test_the_deadline_holds_for_all_pieces_together(strict_server, protocol):
    with FLAKY[protocol](strict_server, delay_s=0.3) as door, CtrClient(door.url, protocol, in_flight=1) as client:
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            client.predict(RAW, deadline_s=0.7)
        assert time.monotonic() - start < 5
        assert door.calls["infer"] <= 3


def test_a_server_that_comes_up_later_is_waited_for(strict_server, protocol, truth):
    port = free_ports(1)[0]
    found = []
    with CtrClient(f"127.0.0.1:{port}", protocol, attempts=30) as client:
        asking = threading.Thread(target=lambda: found.append(client.predict(RAW)))
        asking.start()
        time.sleep(0.3)
        with FLAKY[protocol](strict_server, port=port):
            asking.join(timeout=10)
    assert_answers(found[0], RAW, truth)


@pytest.mark.parametrize(
    "url", ["", "localhost", "127.0.0.1:", "127.0.0.1:x", "ftp://127.0.0.1:1", "127.0.0.1:1/v2", "[::1:8001"]
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match=re.escape(f"url must be host:port, such as 127.0.0.1:8001, got {url!r}")):
        CtrClient(url)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="timeout_s must be above 0, got 0"):
        CtrClient("127.0.0.1:1", timeout_s=0)
    with pytest.raises(ValueError, match="protocol must be grpc or http, got 'ftp'"):
        CtrClient("127.0.0.1:1", "ftp")
    with pytest.raises(ValueError, match="root_certificates: nowhere.pem does not exist"):
        CtrClient("127.0.0.1:1", root_certificates="nowhere.pem")


def test_the_wrong_door_is_said_to_be_the_wrong_door(strict_server):
    for predict in (
        CtrClient(strict_server.grpc_url, "http").predict,
        lambda rows: predict_async(strict_server.grpc_url, "http", rows),
    ):
        with pytest.raises(ServerFailed, match="speaks no HTTP; is it the port of gRPC?"):
            predict(RAW)
    with pytest.raises(ServerUnavailable, match="is it the port of gRPC?"):
        CtrClient(strict_server.http_url, "grpc", attempts=2).predict(RAW)


def test_both_doors_are_found_behind_tls(strict_server, protocol, truth, tmp_path):
    cert, key = self_signed(tmp_path)
    with FLAKY[protocol](strict_server, certificate=(cert, key)) as door:
        with CtrClient(door.url, protocol, root_certificates=cert) as client:
            assert_answers(client.predict(RAW[:5]), RAW[:5], truth)
        answer = predict_async(door.url, protocol, RAW[:5], settings={"root_certificates": cert})
        assert_answers(answer, RAW[:5], truth)


def test_who_is_not_trusted_gets_nothing(strict_server, protocol, tmp_path):
    with FLAKY[protocol](strict_server, certificate=self_signed(tmp_path)) as door:
        for settings in ({"tls": True}, {}):
            with (
                pytest.raises((ServerFailed, ServerUnavailable)),
                CtrClient(door.url, protocol, attempts=1, **settings) as client,
            ):
                client.predict(RAW[:5])
        with pytest.raises((ServerFailed, ServerUnavailable)):
            predict_async(f"https://{door.url}", protocol, RAW[:5], settings={"attempts": 1})
        assert door.calls == {}

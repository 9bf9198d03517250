"""Proxies in the environment: none is asked on the way to this machine, and elsewhere the message says which one was."""

import asyncio
import socket

import grpc
import pytest
import urllib3

from loadtests.observation.observe import scrape
from loadtests.perf_analyzer.analyzer import AnalyzerTarget, PerfAnalyzer
from loadtests.requests.prepared_request import PreparedRequest
from loadtests.users.asking import GrpcAsker
from serving import proxies
from serving.client import AsyncCtrClient, CtrClient, DeadlineExceeded, ServerUnavailable
from serving.proxies import grpc_options, is_this_machine, proxy_variable, without_proxies
from serving.server.admin import AdminApi
from tests.serving.served_world import secret_of

VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
EVERY = (*VARIABLES, "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "no_grpc_proxy", "NO_PROXY")
FAR = "ctr.example:8001"


@pytest.fixture
def proxy():
    """The address of a port at which nobody listens: whatever goes there fails at once."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://somebody:s3cr3t@127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in EVERY:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def all_proxies(monkeypatch, proxy):
    for name in EVERY[:7]:
        monkeypatch.setenv(name, proxy)


@pytest.mark.triton
@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_both_clients_reach_a_server_on_this_machine(server, exported_rows, all_proxies, protocol, host):
    url = f"{host}:{server.config.grpc_port if protocol == 'grpc' else server.config.http_port}"
    with CtrClient(url, protocol, attempts=1) as client:
        expected = client.predict(exported_rows[:5]).probability.tolist()

    async def ask() -> list[float]:
        async with AsyncCtrClient(url, protocol, attempts=1) as other:
            return (await other.predict(exported_rows[:5])).probability.tolist()

    assert asyncio.run(ask()) == expected and len(expected) == 5


@pytest.mark.triton
def test_metrics_and_control_are_reached_on_this_machine(server, all_proxies):
    with urllib3.PoolManager() as pool:
        assert scrape(pool, server.metrics_url)["nv_inference_request_success"]
    admin = AdminApi(server.http_url, secret_of(server))
    assert admin.ready() and admin.settled() and admin.versions("ctr") == [server.version]


@pytest.mark.parametrize("variable", VARIABLES)
def test_users_of_a_load_run_go_straight_to_this_machine(monkeypatch, proxy, variable):
    """What listens hears from them; it is no server, so they get no answer."""
    monkeypatch.setenv(variable, proxy)
    request = PreparedRequest(kind="grpc", malformed=False, num_rows=1, header_length=0, body=b"", expected_N=None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        asker = GrpcAsker(f"127.0.0.1:{listening.getsockname()[1]}", timeout_s=1.0)
        assert asker.ask(request).code != "OK"
        asker.close()
        assert listening.accept()[0].recv(3) == b"PRI"  # as HTTP/2 begins


def test_perf_analyzer_is_started_without_them(all_proxies, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "elsewhere")
    target = AnalyzerTarget(grpc="127.0.0.1:1", http="127.0.0.1:2", secret="")
    given = PerfAnalyzer(target=target, protocol="grpc", requests=None, answers={}, tolerance=0, folder=tmp_path)._environment()
    assert not {*EVERY[:7], "GRPC_PROXY"} & set(given) and {"PATH", "LD_LIBRARY_PATH", "no_proxy"} <= set(given)
    assert without_proxies({"HTTPS_PROXY": "http://x", "PATH": "p"}) == {"PATH": "p"}


@pytest.mark.parametrize("variable", VARIABLES)
def test_elsewhere_the_message_names_the_variable_and_not_what_it_holds(monkeypatch, proxy, variable):
    monkeypatch.setenv(variable, proxy)
    with CtrClient(FAR, attempts=1) as client, pytest.raises(ServerUnavailable) as failed:
        client.served()
    said = str(failed.value)
    assert said.startswith(f"{FAR} is not available: ")
    assert f"the way there leads through the proxy that {variable} names: unset it, or add the host to no_proxy" in said
    assert "s3cr3t" not in said and "somebody" not in said


def test_the_client_for_asyncio_names_it_too(monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)

    async def ask() -> None:
        async with AsyncCtrClient(FAR, attempts=1) as client:
            await client.served()

    with pytest.raises(ServerUnavailable, match="the proxy that http_proxy names"):
        asyncio.run(ask())


def test_a_proxy_that_does_not_answer_is_named_when_the_time_is_over(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with CtrClient(FAR, attempts=1, timeout_s=0.5) as client, pytest.raises(DeadlineExceeded, match="that https_proxy names"):
            client.served()


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("0.0.0.0", True),
        ("::", True),
        ("10.0.0.5", False),
        ("128.0.0.1", False),
        ("::ffff:10.0.0.5", False),
        ("localhost.example", False),
        ("ctr", False),
    ],
)
def test_this_machine_is_known_by_its_addresses(host, near):
    assert is_this_machine(host) is near
    shown = f"[{host}]:8001" if ":" in host else f"{host}:8001"
    assert grpc_options(shown) == ([("grpc.enable_http_proxy", 0)] if near else [])


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"http_proxy": "http://p:1"}, "http_proxy"),
        ({"http_proxy": "http://p:1", "https_proxy": "http://q:1"}, "https_proxy"),
        ({"http_proxy": "http://p:1", "grpc_proxy": "http://q:1"}, "grpc_proxy"),
        ({"http_proxy": ""}, None),
        ({"HTTP_PROXY": "http://p:1", "all_proxy": "http://p:1"}, None),
        ({"http_proxy": "socks5://p:1"}, None),
        ({"http_proxy": "http://p:1", "no_proxy": "other, localhost"}, None),
        ({"http_proxy": "http://p:1", "no_proxy": ".LocalHost"}, None),
        ({"http_proxy": "http://p:1", "no_proxy": "host"}, "http_proxy"),
        ({"http_proxy": "http://p:1", "no_proxy": "localhost:1"}, "http_proxy"),
        ({"http_proxy": "http://p:1", "no_proxy": "*"}, "http_proxy"),
        ({"http_proxy": "http://p:1", "NO_PROXY": "localhost"}, "http_proxy"),
        ({"http_proxy": "http://p:1", "no_proxy": "localhost", "no_grpc_proxy": "other"}, "http_proxy"),
    ],
)
def test_the_variable_is_the_one_that_grpc_itself_obeys(monkeypatch, given, named):
    """Held against gRPC, on a name that needs no network: a proxy that is asked hears its CONNECT."""
    monkeypatch.setattr(proxies, "is_this_machine", lambda host: False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.7)
        here = f"//127.0.0.1:{listening.getsockname()[1]}"
        for name, value in given.items():
            monkeypatch.setenv(name, value.replace("//p:1", here).replace("//q:1", here))
        assert proxy_variable("localhost:1") == named
        with grpc.insecure_channel("localhost:1") as channel, pytest.raises(grpc.RpcError):
            channel.unary_unary("/a/b")(b"", timeout=0.5)
        try:
            heard = listening.accept()[0].recv(7)
        except TimeoutError:
            heard = b""
        assert (heard == b"CONNECT") == (named is not None)


def test_a_network_in_no_proxy_covers_its_addresses(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "10.1.0.0/16,fd00::/8")
    found = [proxy_variable(address) for address in ("10.1.2.3:8001", "10.2.2.3:8001", "[fd00::5]:8001", "[fe00::5]:8001")]
    assert found == [None, "http_proxy", None, "http_proxy"]

"""Thousands of malformed requests leave the server as it was: healthy, no larger, and right."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import urllib3
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from serving.server.stubs import stubs
from tests.serving.doors import INNER_WORDS, over_grpc, packed
from tests.serving.served.malformed import MALFORMED, TIMEOUT_S, MalformedSender
from tests.serving.served_world import REPOSITORY, serving

pytestmark = pytest.mark.triton
TOGETHER = 20  # requests at a time
WARM_UP = 60  # times, before memory is looked at
TRITONS = re.compile("Unable to parse|failed to parse the request JSON buffer|failed to get request params")
GROWTH_MIB = 24  # allowed for server and four processes together


@pytest.fixture(scope="module")
def hardy_server(exported, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("hardy"), exported / REPOSITORY, watch=False) as running:
        yield running


@pytest.fixture(scope="module")
def sender(hardy_server):
    config = hardy_server.config
    with (
        grpc.insecure_channel(hardy_server.grpc_url) as channel,
        urllib3.HTTPConnectionPool(config.host, config.http_port, maxsize=4, retries=False, timeout=TIMEOUT_S) as pool,
    ):
        yield MalformedSender(channel, pool)


def is_tritons(code: str, text: str) -> bool:
    """Is this how Triton calls what it cannot read at all."""
    return code == "INTERNAL" and bool(TRITONS.match(text))


def memory_mib(server) -> float:
    """Memory in use by the server and its processes."""
    pids = [server.process.pid, *stubs(server.process.pid)]
    return sum(int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) for pid in pids) / 1024


@pytest.mark.parametrize("examples", [90, pytest.param(500, marks=pytest.mark.slow)])
def test_thousands_of_malformed_requests_do_no_harm(hardy_server, sender, exported_rows, spec, examples):
    good = packed(exported_rows[:5], spec)
    expected, processes = over_grpc(hardy_server, good).probability.tolist(), set(stubs(hardy_server.process.pid))
    codes, memory = Counter(), []

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )  # fmt: skip
    @given(st.lists(MALFORMED, min_size=TOGETHER, max_size=TOGETHER))
    def send(requests):
        with ThreadPoolExecutor(4) as pool:
            for sent, (code, text) in zip(requests, pool.map(sender.send, requests), strict=True):
                codes[sent.door, code] += 1
                assert code in ("OK", "INVALID_ARGUMENT", "INTERNAL", "NOT_FOUND", "UNIMPLEMENTED", "UNAVAILABLE"), (
                    sent,
                    code,
                    text,
                )
                assert not INNER_WORDS.search(text), (sent, text)
        memory.append(memory_mib(hardy_server))

    send()
    assert sum(codes.values()) >= TOGETHER * examples
    assert min(codes[door, "INVALID_ARGUMENT"] for door in ("grpc", "http")) > 2 * examples
    assert memory[-1] - memory[WARM_UP] < GROWTH_MIB
    assert set(stubs(hardy_server.process.pid)) == processes
    assert hardy_server.admin.ready()
    assert over_grpc(hardy_server, good).probability.tolist() == expected

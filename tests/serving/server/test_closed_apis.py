"""What is closed to those without the secret, on both doors, and that nothing listens beyond this machine."""

import os
from pathlib import Path

import pytest
import tritonclient.grpc as triton
import urllib3
from tritonclient.utils import InferenceServerException

from serving.server.secret import grpc_headers, http_headers
from tests.serving.served_world import secret_of

pytestmark = pytest.mark.triton
CLOSED_HTTP = [
    ("POST", "/v2/repository/index"),
    ("POST", "/v2/repository/models/creative_encoder/load"),  # unchanged, so nothing happens
    ("GET", "/v2/systemsharedmemory/status"),
    ("GET", "/v2/cudasharedmemory/status"),
    ("GET", "/v2/trace/setting"),
    ("GET", "/v2/logging"),
    ("GET", "/v2/models/ctr/stats"),
]
CLOSED_GRPC = {
    "get_model_repository_index": (),
    "load_model": ("creative_encoder",),
    "get_system_shared_memory_status": (),
    "get_cuda_shared_memory_status": (),
    "get_trace_settings": (),
    "get_log_settings": (),
    "get_inference_statistics": ("ctr",),
}
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}  # 127.0.0.1, as IPv4 and as IPv6 writes it
OPEN_HTTP = ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/ctr", "/v2/models/ctr/config", "/v2/models/ctr/ready"]


def status(server, method: str, path: str, headers: dict[str, str]) -> int:
    with urllib3.PoolManager() as pool:
        return pool.request(method, server.http_url + path, headers={"Connection": "close", **headers}, body=b"").status


@pytest.mark.parametrize(("method", "path"), CLOSED_HTTP)
def test_a_closed_api_needs_the_secret_over_http(server, method, path):
    assert status(server, method, path, {}) == 403
    assert status(server, method, path, http_headers("guess")) == 403
    assert status(server, method, path, http_headers(secret_of(server))) == 200


@pytest.mark.parametrize("path", ["/v2/repository/models/ctr/unload", "/v2/systemsharedmemory/region/x/register", "/v2/logging"])
def test_what_changes_the_server_is_closed_over_http(server, path):
    assert status(server, "POST", path, {}) == 403


@pytest.mark.parametrize("call", CLOSED_GRPC)
def test_a_closed_api_needs_the_secret_over_grpc(server, call):
    with triton.InferenceServerClient(server.grpc_url) as client:
        for headers in (None, grpc_headers("guess")):
            with pytest.raises(InferenceServerException, match="This protocol is restricted, expecting header") as refused:
                getattr(client, call)(*CLOSED_GRPC[call], headers=headers)
            assert secret_of(server) not in str(refused.value)
        getattr(client, call)(*CLOSED_GRPC[call], headers=grpc_headers(secret_of(server)))


@pytest.mark.parametrize("path", OPEN_HTTP)
def test_health_and_description_are_open(server, path):
    assert status(server, "GET", path, {}) == 200


def test_the_server_listens_on_this_machine_only(server):
    listening = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    own = {os.readlink(path) for path in Path(f"/proc/{server.process.pid}/fd").iterdir()}
    found = [fields[1].split(":") for fields in listening if fields[3] == "0A" and f"socket:[{fields[9]}]" in own]
    config = server.config
    assert {int(port, 16) for _, port in found} == {config.http_port, config.grpc_port, config.metrics_port}
    assert {address for address, _ in found} <= LOOPBACK


def test_the_log_does_not_hold_the_secret(server):
    log = server.log_path.read_text()
    assert "Started GRPCInferenceService" in log
    assert secret_of(server) not in log

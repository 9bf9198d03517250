"""Real Prometheus, Alertmanager and node exporter of Debian, on loopback and free ports; each ends with its test."""

import json
import subprocess
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import urllib3
import yaml

from serving.server.ports import free_ports
from tests.project.imports import ROOT
from tests.serving.served_world import wait_for

DEPLOY = ROOT / "deploy/prometheus"
START_S = 60


@dataclass(frozen=True)
class Asked:
    """A server that answers over HTTP."""

    url: str

    def get(self, path: str, **query: str) -> Any:
        with urllib3.PoolManager(timeout=20.0, retries=False) as pool:
            answer = pool.request("GET", f"{self.url}{path}?{urllib.parse.urlencode(query)}", headers={"Connection": "close"})
        return json.loads(answer.data)

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Series of now. Fails if Prometheus does not accept the expression."""
        answer = self.get("/api/v1/query", query=expr)
        assert answer["status"] == "success", f"{expr}: {answer.get('error')}"
        return answer["data"]["result"]


@contextmanager
def program(command: Sequence[str], ready_url: str, log: Path) -> Iterator[subprocess.Popen]:
    """Runs while the block does, from when it says that it is ready."""
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: is_ready(process, ready_url, log), START_S, f"{command[0]} is ready: {log.read_text()[-500:]}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_ready(process: subprocess.Popen, url: str, log: Path) -> bool:
    assert process.poll() is None, f"it ended: {log.read_text()[-1000:]}"
    try:
        with urllib3.PoolManager(timeout=2.0, retries=False) as pool:
            return pool.request("GET", url, headers={"Connection": "close"}).status == 200
    except urllib3.exceptions.HTTPError:
        return False


@contextmanager
def prometheus(
    folder: Path, targets: dict[str, int], alertmanager_port: int | None = None, waits: bool = True
) -> Iterator[Asked]:
    """The shipped configuration with these ports by job, a look a second; without `waits` no alert waits before it fires."""
    rules = folder / "rules"
    rules.mkdir()
    for path in (DEPLOY / "rules").glob("*.yml"):
        content = yaml.safe_load(path.read_text())
        for group in content["groups"]:
            group.pop("interval", None)
            for rule in group["rules"] if not waits else []:
                rule.pop("for", None)
        (rules / path.name).write_text(yaml.safe_dump(content))
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"] = [
        {"job_name": job["job_name"], "static_configs": [{"targets": [f"127.0.0.1:{targets[job['job_name']]}"]}]}
        for job in config["scrape_configs"]
        if job["job_name"] in targets
    ]
    assert {job["job_name"] for job in config["scrape_configs"]} == set(targets)
    if alertmanager_port is None:
        del config["alerting"]
    else:
        config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager_port}"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    command = [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with program(command, f"http://127.0.0.1:{port}/-/ready", folder / "prometheus.log"):
        yield Asked(f"http://127.0.0.1:{port}")


@contextmanager
def alertmanager(folder: Path, receiver_url: str) -> Iterator[int]:
    """The shipped example, without its pauses, for a receiver of the test; its port."""
    config = yaml.safe_load((DEPLOY / "alertmanager.yml").read_text())
    config["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    for one in config["receivers"]:
        one["webhook_configs"][0]["url"] = f"{receiver_url}/{one['name']}"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    command = [
        "prometheus-alertmanager", f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'am'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with program(command, f"http://127.0.0.1:{port}/-/ready", folder / "alertmanager.log"):
        yield port


@contextmanager
def node_exporter(folder: Path) -> Iterator[int]:
    """Its port."""
    (port,) = free_ports(1)
    command = ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"]
    with program(command, f"http://127.0.0.1:{port}/metrics", folder / "node.log"):
        yield port


class Pager(ThreadingHTTPServer):
    """Keeps what receivers of Alertmanager are sent: (receiver, status, labels, annotations)."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), PagerHandler)
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def seen(self, alertname: str, status: str) -> list[tuple[str, dict[str, str], dict[str, str]]]:
        found = list(self.got)
        return [(who, labels, notes) for who, how, labels, notes in found if labels["alertname"] == alertname and how == status]


class PagerHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got += [(body["receiver"], one["status"], one["labels"], one["annotations"]) for one in body["alerts"]]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def a_pager() -> Iterator[Pager]:
    pager = Pager()
    try:
        yield pager
    finally:
        pager.shutdown()
        pager.server_close()


@contextmanager
def short_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="adclick-prometheus-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)

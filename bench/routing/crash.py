"""A challenger that takes Triton down with it: `make serve` starts again without it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import urllib3

from bench.figures import Figure
from bench.routing.settings import BenchRoutingConfig
from bench.routing.world import route_of, two_releases
from bench.served.entry import say
from contracts.files import write_whole
from contracts.serving.config import ServerConfig
from contracts.serving.fuse import fuse_path
from contracts.serving.releases import EXPORTED
from contracts.serving.route import NAME, Route, text_of
from serving.server.ports import free_ports
from serving.server.server import VENV

POLL_S, READY_S = 0.02, 60.0


def crash_figures(config: BenchRoutingConfig, server_config: ServerConfig, challenger: Path) -> list[Figure]:
    """SIGSEGV stands for what a graph might do: none could be made that ends ONNX Runtime."""
    took_s = []
    for number in range(config.broken_runs):
        with tempfile.TemporaryDirectory(prefix="adclick-crash-") as name, _served(Path(name), challenger) as (store, url, serve):
            route = route_of("canary", share=config.broken_share, shadow=100)
            write_whole(store / NAME, text_of(route).encode())
            _wait(lambda url=url: _open(url), "the challenger is open")
            triton = next(p for p in psutil.Process(serve.pid).children(recursive=True) if p.name() == "tritonserver")
            began = time.monotonic()
            os.kill(triton.pid, signal.SIGSEGV)
            _wait(lambda store=store, route=route: _fuse(store, route).exists(), "its fuse is blown")
            _wait(lambda url=url, pid=triton.pid: not psutil.pid_exists(pid) and _ready(url), "Triton is there again")
            took_s.append(time.monotonic() - began)
            reason = json.loads(_fuse(store, route).read_text())["reason"]
            if reason != "crash" or _open(url):
                raise ValueError(f"after crash {number + 1} the fuse says {reason}, challenger open: {_open(url)}")
    shown = (
        f"{len(took_s)} of {len(took_s)}; ready again after {sorted(took_s)[len(took_s) // 2]:.1f} s, at most {max(took_s):.1f} s"
    )
    say(f"crash: {shown}")
    what = "Triton killed (SIGSEGV) while a challenger is open: started again with the challenger off"
    return [Figure(what=what, figure=shown, bar="all", met=True)]


def _fuse(store: Path, route: Route) -> Path:
    return fuse_path(store, route.digest)


@contextmanager
def _served(folder: Path, challenger: Path) -> Iterator[tuple[Path, str, subprocess.Popen[bytes]]]:
    """`make serve`'s own command, on a store of its own; addresses of its metrics."""
    project = folder / "project"
    project.mkdir()
    two_releases(project / "models", EXPORTED, challenger)
    for name in ("serving", "contracts", "params.yaml", ".venv-serving"):
        (project / name).symlink_to(Path(name).resolve())
    http, grpc, metrics = free_ports(3)
    ports = [f"--http-port={http}", f"--grpc-port={grpc}", f"--metrics-port={metrics}"]
    command = [str((VENV / "bin/python").absolute()), "-m", "serving.server", "--host=127.0.0.1", *ports]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=project, stdout=log, stderr=log) as serve:
        try:
            url = f"http://127.0.0.1:{metrics}/metrics"
            _wait(lambda: _ready(url), f"the server is ready (log: {folder / 'log'})")
            yield project / "models", url, serve
        finally:
            serve.terminate()
            serve.wait(20)


def _metrics(url: str) -> str:
    try:
        return urllib3.request("GET", url, retries=False, timeout=2).data.decode()
    except urllib3.exceptions.HTTPError:
        return ""


def _ready(url: str) -> bool:
    return "adclick_route_info{" in _metrics(url)


def _open(url: str) -> bool:
    lines = [line for line in _metrics(url).splitlines() if line.startswith("adclick_challenger_open{")]
    return any(line.endswith(" 1") for line in lines)


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + READY_S
    while not condition():
        if time.monotonic() > deadline:
            print(f"bench: not within {READY_S:g} s: {what}", file=sys.stderr)
            raise ValueError(f"not within {READY_S:g} s: {what}")
        time.sleep(POLL_S)

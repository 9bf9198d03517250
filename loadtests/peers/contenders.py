"""The servers that are compared: how each is started, where it is asked, what it is sent and what it answers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from loadtests.peers import wire_formats as wire
from loadtests.peers.servers.fused_graph import SETTINGS
from loadtests.peers.wire_formats import Bodies

ROOT = Path(__file__).absolute().parents[2]
WORKERS = 2
COMPARE, MLSERVER = ".venv-compare", ".venv-compare-mlserver"
OURS = "Triton"
PACKED = "FastAPI on our packed graph"  # runs the graph that ours runs, which the others are not given
SECOND = "Triton, a second opinion"  # the same server under another generator of load
UVICORN = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")


@dataclass(frozen=True, kw_only=True)
class Door:
    """One way to ask a server."""

    name: str  # unique, as shown
    path: str
    body: Bodies
    answer: Callable[[bytes], np.ndarray]  # probabilities float32 [N]
    is_grpc: bool = False


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A server and its doors. `start` is asked for the command, given a folder to write in and the ports HTTP, gRPC, metrics."""

    name: str  # unique, short: what --only takes
    product: str  # FastAPI, LitServe, ...
    doors: tuple[Door, ...]
    venv: str = COMPARE
    start: Callable[[str, Path, tuple[int, int, int]], list[str]] | None = None  # None: ours, which has a way of its own

    def environment(self, settings: Path) -> dict[str, str]:
        """What its processes find in their environment, beside ours."""
        return {
            SETTINGS: str(settings),
            "PYTHONPATH": str(ROOT),
            "BENTOML_DO_NOT_TRACK": "True",  # or it reports to its maker's host
            "BENTOML_HOME": str(settings.with_name("bentoml-home")),  # or it keeps its models in the home folder
            "OMP_NUM_THREADS": "1",
        }


def uvicorn(module: str, workers: int, python: str, folder: Path, ports: tuple[int, int, int]) -> list[str]:
    address = ("--host", "127.0.0.1", "--port", str(ports[0]), "--workers", str(workers))
    return [python, "-m", "uvicorn", f"loadtests.peers.servers.fastapi.{module}:app", *address, *UVICORN]


def litserve(python: str, folder: Path, ports: tuple[int, int, int]) -> list[str]:
    return [python, "-m", "loadtests.peers.servers.litserve_api", str(ports[0])]


BATCHING = {"max_batch_size": 64, "max_batch_time": 0.005}  # MLServer's: requests, seconds


def bentoml(service: str, python: str, folder: Path, ports: tuple[int, int, int]) -> list[str]:
    """`service` is MODULE:CLASS below loadtests/peers/servers."""
    address = ("--host", "127.0.0.1", "--port", str(ports[0]), "--working-dir", str(ROOT))
    return [python, "-m", "bentoml", "serve", f"loadtests.peers.servers.{service}", *address]


def mlserver(runtime: str, batching: Mapping[str, float], python: str, folder: Path, ports: tuple[int, int, int]) -> list[str]:
    """Writes its two files of settings into `folder`. `runtime` is MODULE.CLASS below loadtests/peers/servers."""
    http, grpc, metrics = ports
    settings = {"debug": False, "parallel_workers": WORKERS, "host": "127.0.0.1"}
    settings |= {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    model = {"name": "ctr", "implementation": f"loadtests.peers.servers.{runtime}", **batching}
    for name, values in (("settings.json", settings), ("model-settings.json", model)):
        (folder / name).write_text(json.dumps(values, indent=2))
    return [str(Path(python).with_name("mlserver")), "start", str(folder)]


def _fastapi(kind: str, workers: int) -> Contender:
    body, answer = {
        "json": (wire.json_rows, wire.probabilities_json),
        "raw": (wire.raw, wire.probabilities_raw),
        "packed": (wire.packed, wire.probabilities_raw),
    }[kind]
    called = {"json": "JSON", "raw": "raw", "packed": "packed graph"}[kind]
    shown = f"FastAPI, {called}, {workers} worker{'s' if workers > 1 else ''}"
    return Contender(
        name=f"fastapi-{kind}-{workers}",
        product=PACKED if kind == "packed" else "FastAPI",
        doors=(Door(name=shown, path="/predict", body=body, answer=answer),),
        start=partial(uvicorn, kind, workers),
    )


def _open_inference(name: str, http_body: Bodies, http_answer: Callable[[bytes], np.ndarray]) -> tuple[Door, Door]:
    """HTTP and gRPC of a server that speaks the Open Inference Protocol."""
    return (
        Door(name=f"{name}, HTTP", path="/v2/models/ctr/infer", body=http_body, answer=http_answer),
        Door(
            name=f"{name}, gRPC",
            path="/inference.GRPCInferenceService/ModelInfer",
            body=wire.grpc_message,
            answer=wire.probabilities_grpc,
            is_grpc=True,
        ),
    )


CONTENDERS = (
    Contender(
        name="triton",
        product=OURS,
        venv=".venv-serving",
        doors=_open_inference("Triton", wire.binary_open_inference, wire.probabilities_binary),
    ),
    _fastapi("packed", 2),
    _fastapi("raw", 2),
    _fastapi("raw", 1),
    _fastapi("json", 2),
    _fastapi("json", 1),
    Contender(
        name="litserve",
        product="LitServe",
        doors=(Door(name="LitServe", path="/predict", body=wire.json_rows, answer=wire.probabilities_json),),
        start=litserve,
    ),
    Contender(
        name="bentoml",
        product="BentoML",
        doors=(Door(name="BentoML", path="/predict", body=wire.json_records, answer=wire.probabilities_json),),
        start=partial(bentoml, "bentoml_service:Clicks"),
    ),
    Contender(
        name="mlserver",
        product="MLServer",
        venv=MLSERVER,
        doors=_open_inference("MLServer", wire.json_open_inference, wire.probabilities_open_inference),
        start=partial(mlserver, "mlserver_runtime.ClickRuntime", BATCHING),
    ),
)

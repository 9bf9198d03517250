"""Servers that remember their answers: ours with its journal, and three peers on the same graph, each in its own way.

No peer joins requests: a call of the graph for each. Only ours can, by Triton.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contracts.serving.config import ServerConfig
from contracts.serving.releases import EXPORTED
from loadtests.peers import wire_formats as wire
from loadtests.peers.contenders import COMPARE, MLSERVER, ROOT, WORKERS, Contender, Door, bentoml, mlserver, uvicorn
from loadtests.peers.prepared import PreparedBodies
from loadtests.peers.rounds import Running, checked, peer
from loadtests.peers.servers.journal_lines import FOLDER
from loadtests.perf_analyzer.target import target_of
from serving.journal.folder import kept_journal
from serving.server.settings import load_journal_config
from serving.server.trial import trial_server

ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OURS = Door(
    name="ours, its journal", path="/v2/models/ctr/infer", body=wire.binary_open_inference, answer=wire.probabilities_binary
)  # fmt: skip
PEERS = (
    Contender(
        name="fastapi-journalled",
        product="FastAPI, JSON lines",
        doors=(Door(name="FastAPI, JSON lines", path="/predict", body=wire.packed, answer=wire.probabilities_raw),),
        venv=COMPARE,
        start=partial(uvicorn, "journalled", WORKERS),
    ),
    Contender(
        name="bentoml-journalled",
        product="BentoML, bentoml.monitor",
        doors=(Door(name="BentoML, bentoml.monitor", path="/predict", body=wire.text_rows, answer=wire.probabilities_json),),
        venv=COMPARE,
        start=partial(bentoml, "bentoml_journalled:JournalledClicks"),
    ),
    Contender(
        name="mlserver-journalled",
        product="MLServer, its logger",
        doors=(
            Door(
                name="MLServer, its logger",
                path="/v2/models/ctr/infer",
                body=wire.text_open_inference,
                answer=wire.probabilities_open_inference,
            ),
        ),
        venv=MLSERVER,
        start=partial(mlserver, "mlserver_journalled.JournalledRuntime", {}),
    ),
)
NAMES = (OURS.name, *(one.doors[0].name for one in PEERS))


@dataclass(frozen=True, kw_only=True)
class Journalling:
    """A server that answers and remembers."""

    door: Door
    server: Running
    folder: Path  # below it is all that it writes

    def remembered(self) -> set[bytes]:
        """Every id of a request that stands in its files."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {found for path in files for found in ID.findall(path.read_bytes())}


@contextmanager
def journalling(name: str, prepared: PreparedBodies, config: ServerConfig, folder: Path) -> Iterator[Journalling]:
    """The server of this name, checked and at rest, with what it remembers in `folder`."""
    folder.mkdir(parents=True)
    if name == OURS.name:
        with (
            kept_journal(load_journal_config(folder=str(folder / "journal"))) as told,
            trial_server(EXPORTED, config, ROOT / ".venv-serving", told) as server,
        ):
            target = target_of(server)
            running = Running(pid=server.process.pid, http=target.http, grpc=target.grpc)
            yield Journalling(door=OURS, server=checked((OURS,), name, running, prepared), folder=folder)
        return
    (contender,) = (one for one in PEERS if one.doors[0].name == name)
    with peer(contender, prepared, folder, {FOLDER: str(folder)}) as running:
        yield Journalling(door=contender.doors[0], server=running, folder=folder)

"""Loads all servers in turn, round after round, so that a slow minute of the machine hits all of them.

Only the server under load runs: it is started for its turn, checked, loaded with each workload, and ended.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from contracts.serving.config import ServerConfig
from contracts.serving.releases import EXPORTED
from loadtests.peers.contenders import ROOT, SECOND, Contender, Door
from loadtests.peers.generator import GeneratorResult
from loadtests.peers.graph_alone import FUSED, PACKED, measure_in_process
from loadtests.peers.h2load import run_h2load
from loadtests.peers.measured import IN_PROCESS, IN_PROCESS_PACKED, PeerMeasurement, Workload, measurement_line
from loadtests.peers.peer_process import PeerProcess, cpu_seconds, wait_settled
from loadtests.peers.prepared import PreparedBodies
from loadtests.peers.same_answers import NotReady, ask, refuse_other_answers
from loadtests.peers.second_opinion import senders
from loadtests.peers.wire_formats import Body
from loadtests.peers.wrk import run_wrk, write_script
from loadtests.perf_analyzer.analyzer import AnalyzerTarget
from loadtests.perf_analyzer.target import target_of
from serving.server.ports import free_ports
from serving.server.trial import trial_server

ALONE = {IN_PROCESS: FUSED, IN_PROCESS_PACKED: PACKED}
WARM_UP_S = 1.0
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ComparisonPlan:
    """What is compared, and for how long."""

    contenders: Sequence[Contender]
    workloads: Sequence[Workload]
    rounds: int
    seconds: float  # a load


def measure_rounds(
    plan: ComparisonPlan, prepared: PreparedBodies, config: ServerConfig, say: Say
) -> tuple[list[PeerMeasurement], dict[str, str]]:
    """All loads, and why by name of those contenders that could not be compared; their loads are left out."""
    found: list[PeerMeasurement] = []
    failures: dict[str, str] = {}
    for number in range(1, plan.rounds + 1):
        for rows in sorted({workload.rows for workload in plan.workloads}):
            found += [_alone(name, number, rows, prepared, plan.seconds, say) for name in ALONE]
        for contender in plan.contenders:
            if contender.name in failures:
                continue
            try:
                found += measure_contender(number, contender, plan, prepared, config, say)
            except (ValueError, OSError, subprocess.SubprocessError) as error:
                failures[contender.name] = " ".join(str(error).split())
                say(f"round {number}: {contender.name} cannot be compared: {failures[contender.name]}")
    doors = {door.name for contender in plan.contenders if contender.name in failures for door in contender.doors}
    return [one for one in found if one.door not in doors], failures


def measure_contender(
    number: int, contender: Contender, plan: ComparisonPlan, prepared: PreparedBodies, config: ServerConfig, say: Say
) -> list[PeerMeasurement]:
    """One turn of a server: every workload on each of its doors. Raises ValueError if it answers otherwise than the graph."""
    found: list[PeerMeasurement] = []
    with running(contender, prepared, config) as server:
        for door in contender.doors:
            for workload in plan.workloads:
                send = _generator(server.address(door), door, workload, prepared.bodies(door, workload.rows), prepared.folder)
                found.append(load(server, door.name, contender.product, workload, number, send, plan.seconds))
                say(measurement_line(found[-1]))
            refuse_other_answers(door, server.address(door), prepared.checks(door), prepared.expected)
        if server.target is not None:
            found += second_opinion(number, server, plan, prepared, say)
    return found


def second_opinion(
    number: int, server: "Running", plan: ComparisonPlan, prepared: PreparedBodies, say: Say
) -> list[PeerMeasurement]:
    """The same workloads under perf_analyzer, which measures nothing where it fails: that is said and no more."""
    found: list[PeerMeasurement] = []
    for rows in sorted({workload.rows for workload in plan.workloads}):
        clients = [workload.clients for workload in plan.workloads if workload.rows == rows]
        for door, some, send in senders(server.target, prepared.requests(rows), clients):
            workload = Workload(rows=rows, clients=some)
            try:
                found.append(load(server, door, SECOND, workload, number, send, plan.seconds))
                say(measurement_line(found[-1]))
            except (ValueError, OSError) as error:
                say(f"round {number}: {door}, {workload}: {error}")
    return found


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that answers."""

    pid: int
    http: str  # host:port
    grpc: str
    idle_cores: float = 0.0  # that it takes when nobody asks
    target: AnalyzerTarget | None = None  # for perf_analyzer, which can ask ours only

    def address(self, door: Door) -> str:
        return self.grpc if door.is_grpc else self.http


@contextmanager
def running(contender: Contender, prepared: PreparedBodies, config: ServerConfig) -> Iterator[Running]:
    """The contender on free ports, checked and at rest; ended afterwards."""
    if contender.start is None:
        with trial_server(EXPORTED, config, ROOT / contender.venv) as server:
            target = target_of(server)
            started = Running(pid=server.process.pid, http=target.http, grpc=target.grpc, target=target)
            yield checked(contender.doors, contender.name, started, prepared)
        return
    folder = prepared.folder / contender.name
    folder.mkdir(exist_ok=True)
    with peer(contender, prepared, folder) as started:
        yield started


@contextmanager
def peer(
    contender: Contender, prepared: PreparedBodies, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A contender that is not ours, in the working directory `folder`, with `environment` beside its own."""
    python = ROOT / contender.venv / "bin" / "python"
    if not python.is_file():
        raise ValueError(f"{contender.venv}/bin/python is missing; `make compare` installs it")
    ports = tuple(free_ports(3))
    http, grpc = (f"127.0.0.1:{port}" for port in ports[:2])

    def answers() -> bool:
        try:
            for door in contender.doors:
                ask(door, grpc if door.is_grpc else http, prepared.checks(door)[0])
        except NotReady:
            return False
        return True

    command = contender.start(str(python), folder, ports)
    told = contender.environment(prepared.settings) | dict(environment or {})
    with PeerProcess(contender.name, command, told, folder, answers) as process:
        yield checked(contender.doors, contender.name, Running(pid=process.pid, http=http, grpc=grpc), prepared)


def checked(doors: Sequence[Door], name: str, server: Running, prepared: PreparedBodies) -> Running:
    """The server once it has answered as the graph does and is at rest. Raises ValueError."""
    for door in doors:
        refuse_other_answers(door, server.address(door), prepared.checks(door), prepared.expected)
    return replace(server, idle_cores=wait_settled(name, server.pid))


def load(
    server: Running,
    door: str,
    product: str,
    workload: Workload,
    number: int,
    send: Callable[[float], GeneratorResult],
    seconds: float,
) -> PeerMeasurement:
    """One warm-up and one load. The server's CPU time and that of everybody else are of the load alone."""
    send(WARM_UP_S)
    before, busy, mine = cpu_seconds(server.pid), _busy_s(), _own_s()
    started = time.monotonic()
    found = send(seconds)
    taken = time.monotonic() - started
    cpu_s = cpu_seconds(server.pid) - before
    others = (_busy_s() - busy) - (_own_s() - mine) - cpu_s
    return PeerMeasurement(
        door=door,
        product=product,
        workload=workload,
        round=number,
        requests=found.requests,
        errors=found.errors,
        requests_per_s=found.requests_per_s,
        p50_ms=found.p50_ms,
        p99_ms=found.p99_ms,
        cpu_s=cpu_s,
        idle_cores=server.idle_cores,
        others_cores=max(0.0, others / taken),
    )


def _generator(
    address: str, door: Door, workload: Workload, bodies: Sequence[Body], folder: Path
) -> Callable[[float], GeneratorResult]:
    url = f"http://{address}{door.path}"
    if door.is_grpc:
        answer_bytes = len(ask(door, address, bodies[0]))
        return lambda seconds: run_h2load(url, bodies, answer_bytes, folder, workload.clients, seconds)
    script = write_script(folder, door.path, bodies)
    return lambda seconds: run_wrk(url, script, workload.clients, seconds)


def _alone(name: str, number: int, rows: int, prepared: PreparedBodies, seconds: float, say: Say) -> PeerMeasurement:
    busy, mine, started = _busy_s(), _own_s(), time.monotonic()
    calls = measure_in_process(prepared.settings, prepared.rows_path, rows, seconds, ROOT, ALONE[name])
    others = ((_busy_s() - busy) - (_own_s() - mine)) / (time.monotonic() - started)
    found = PeerMeasurement(
        door=name,
        product=name,
        workload=Workload(rows=rows, clients=0),
        round=number,
        requests=calls.rows // rows,
        errors=0,
        requests_per_s=calls.rows_per_s / rows,
        p50_ms=None,
        p99_ms=None,
        cpu_s=calls.cpu_s,
        idle_cores=0.0,
        others_cores=max(0.0, others),
    )
    say(f"round {number}: {name}, {rows} rows a call: {found.rows_per_s:,.0f} rows/s")
    return found


def _busy_s() -> float:
    """CPU time that the machine has spent on processes so far."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + getattr(times, "irq", 0.0) + getattr(times, "softirq", 0.0)


def _own_s() -> float:
    """CPU time of this process and of the generators that it has waited for."""
    times = psutil.Process().cpu_times()
    return times.user + times.system + times.children_user + times.children_system

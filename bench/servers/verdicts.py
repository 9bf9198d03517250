"""What the comparison with other servers comes to: medians over the rounds, who is best, and which bars are met.

Ours is the better of HTTP and gRPC, by requests a second; the best peer is the best door of all other servers on `ctr.onnx`.
What FastAPI does with `ctr_packed.onnx`, which the served model runs, is told beside it.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.figures import Compared, Figure, at_least, at_most
from loadtests.peers.contenders import OURS, PACKED, SECOND
from loadtests.peers.measured import IN_PROCESS, IN_PROCESS_PACKED, PeerMeasurement, Workload
from loadtests.peers.rounds import ALONE

BASELINE = "FastAPI"  # beaten by less than the others
ONE, FEW, MANY = Workload(rows=1, clients=1), Workload(rows=1, clients=16), Workload(rows=1, clients=64)
ROWS_FEW, ROWS_MANY, LARGE = Workload(rows=16, clients=16), Workload(rows=16, clients=64), Workload(rows=128, clients=8)
WORKLOADS = (ONE, FEW, MANY, ROWS_FEW, ROWS_MANY, LARGE)
SPEED = {ONE: 1.0, FEW: 1.3, MANY: 2.0, ROWS_FEW: 1.2, ROWS_MANY: 1.2, LARGE: 1.0}  # ours by the best peer's, at least
P99 = {MANY: 0.5}  # ours by the best peer's, at most
OF_IN_PROCESS = {ROWS_FEW: 0.65, ROWS_MANY: 0.65, LARGE: 0.75}  # of the rows that the graph alone does, at least
OTHERS = {MANY: 4.0}  # ours by the best of the peers that are not FastAPI, at least


@dataclass(frozen=True, kw_only=True)
class Series:
    """The rounds of one door under one workload."""

    door: str
    product: str
    workload: Workload
    rounds: tuple[PeerMeasurement, ...]  # in order

    def values(self, what: Callable[[PeerMeasurement], float]) -> tuple[float, ...]:
        return tuple(what(one) for one in self.rounds)

    def median(self, what: Callable[[PeerMeasurement], float]) -> float:
        return median(self.values(what))

    @property
    def errors(self) -> int:
        return sum(one.errors for one in self.rounds)


def speed(one: PeerMeasurement) -> float:
    return one.requests_per_s


def p99_ms(one: PeerMeasurement) -> float:
    return one.p99_ms


def series_of(measured: Sequence[PeerMeasurement]) -> list[Series]:
    """One series a door and workload, in the order in which they were measured."""
    found: dict[tuple[str, Workload], list[PeerMeasurement]] = defaultdict(list)
    for one in measured:
        found[one.door, one.workload].append(one)
    return [
        Series(door=door, product=rounds[0].product, workload=workload, rounds=tuple(sorted(rounds, key=lambda one: one.round)))
        for (door, workload), rounds in found.items()
    ]


def best(series: Sequence[Series], workload: Workload, counts: Callable[[str], bool]) -> Series | None:
    """The fastest door of the products that count; None if there is none."""
    found = [one for one in series if one.workload == workload and one.product not in ALONE and counts(one.product)]
    return max(found, key=lambda one: one.median(speed), default=None)


def verdicts(measured: Sequence[PeerMeasurement]) -> list[Figure]:
    """The rows of the table of figures. Raises ValueError if one of the servers that a bar needs is missing."""
    series = series_of(measured)
    rows = [row for workload in WORKLOADS for row in _of_workload(series, workload)]
    errors = {one.door: one.errors for one in series if one.product == OURS}
    total = sum(one.errors for one in series if one.product == OURS)
    return [
        *rows,
        at_most("failed requests of the served model in the comparison", total, 0, f"{total} on {len(errors)} doors", "0"),
    ]


def _of_workload(series: Sequence[Series], workload: Workload) -> list[Figure]:
    ours = best(series, workload, lambda product: product == OURS)
    peer = best(series, workload, lambda product: product not in (OURS, PACKED, SECOND))
    packed = best(series, workload, lambda product: product == PACKED)
    others = best(series, workload, lambda product: product not in (OURS, BASELINE, PACKED, SECOND))
    second = best(series, workload, lambda product: product == SECOND)
    alone, alone_packed = (
        next((one for one in series if one.product == name and one.workload.rows == workload.rows), None)
        for name in (IN_PROCESS, IN_PROCESS_PACKED)
    )
    if ours is None or peer is None or (workload in OF_IN_PROCESS and alone is None):
        raise ValueError(
            f"rows a request / clients {workload}: there is nothing to compare; ours, peers or the graph alone are missing"
        )
    of, unit = f"rows a request / clients: {workload.rows} / {workload.clients}", "requests/s" if workload.rows == 1 else "rows/s"
    rows = [_faster(f"served {unit} by those of the best peer, {of}", ours, peer, SPEED[workload], unit)]
    if workload in P99:
        ratio = _ratio(ours, peer, p99_ms)
        shown = f"{ratio.shown(2)}; {ours.median(p99_ms):.1f} ms against {peer.median(p99_ms):.1f} ms ({peer.door})"
        rows.append(at_most(f"p99 by that of the best peer, {of}", ratio.ratio, P99[workload], shown, f"<= {P99[workload]:g}x"))
    if workload in OTHERS and others is not None:
        rows.append(
            _faster(f"served {unit} by those of the best server but {BASELINE}, {of}", ours, others, OTHERS[workload], unit)
        )
    if workload in OF_IN_PROCESS:
        share, bar = ours.median(_rows) / alone.median(_rows), OF_IN_PROCESS[workload]
        shown = f"{share:.2f}; {ours.median(_rows):,.0f} rows/s ({ours.door}) of {alone.median(_rows):,.0f}"
        rows.append(
            at_least(f"served rows/s as a share of the graph's own in two processes, {of}", share, bar, shown, f">= {bar:g}")
        )
    return [*rows, *_beside(ours, packed, second, alone_packed, workload)]


def _beside(ours: Series, packed: Series | None, second: Series | None, alone: Series | None, workload: Workload) -> list[Figure]:
    """For information: the same against those who run the graph that ours runs, and as another generator sees ours."""
    of, rows = f"rows a request / clients: {workload.rows} / {workload.clients}", []
    if packed is not None:
        shown = f"{_ratio(ours, packed, speed).shown(2)}; {packed.median(speed):,.0f} requests/s ({packed.door})"
        rows.append(Figure(what=f"served requests/s by those of {PACKED}, {of}", figure=shown))
    if second is not None:
        shown = f"{second.median(speed):,.0f} requests/s, p99 {second.median(p99_ms):.1f} ms ({second.door})"
        rows.append(Figure(what=f"served requests/s by another generator of load, {of}", figure=shown))
    if workload in OF_IN_PROCESS and alone is not None:
        shown = f"{ours.median(_rows) / alone.median(_rows):.2f} of {alone.median(_rows):,.0f} rows/s"
        rows.append(Figure(what=f"served rows/s as a share of the packed graph's own, {of}", figure=shown))
    return rows


def _faster(what: str, ours: Series, theirs: Series, bar: float, unit: str) -> Figure:
    ratio, rate = _ratio(ours, theirs, speed), _rows if unit == "rows/s" else speed
    shown = f"{ratio.shown(2)}; {ours.median(rate):,.0f} {unit} ({ours.door}) against {theirs.median(rate):,.0f} ({theirs.door})"
    return at_least(what, ratio.ratio, bar, shown, f">= {bar:g}x")


def _ratio(ours: Series, theirs: Series, what: Callable[[PeerMeasurement], float]) -> Compared:
    return Compared(ours=ours.values(what), theirs=theirs.values(what))


def _rows(one: PeerMeasurement) -> float:
    return one.rows_per_s

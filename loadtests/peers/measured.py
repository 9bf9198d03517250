"""What the comparison keeps of each load."""

from dataclasses import dataclass

IN_PROCESS, IN_PROCESS_PACKED = "in process", "in process, packed graph"  # `ctr.onnx`, and what the served model runs
NOISE_CORES = 0.1  # less is not worth a word


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What the clients do."""

    rows: int  # a request
    clients: int  # each with one request under way

    def __str__(self) -> str:
        return f"{self.rows}/{self.clients}"


@dataclass(frozen=True, kw_only=True)
class PeerMeasurement:
    """One load on one door, or one run of the graph alone."""

    door: str
    product: str
    workload: Workload
    round: int
    requests: int
    errors: int
    requests_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    cpu_s: float  # of the server's processes, during the load
    idle_cores: float  # that the server took before, when nobody asked
    others_cores: float  # that neither the server nor the load took: noise

    @property
    def rows_per_s(self) -> float:
        return self.requests_per_s * self.workload.rows

    @property
    def cpu_s_per_1000(self) -> float:
        return 1000 * self.cpu_s / max(1, self.requests)


def measurement_line(found: PeerMeasurement) -> str:
    noise = f"; others took {found.others_cores:.2f} cores" if found.others_cores > NOISE_CORES else ""
    return (
        f"round {found.round}: {found.door}, {found.workload}: {found.requests_per_s:,.0f} requests/s, "
        f"{found.rows_per_s:,.0f} rows/s, p50 {found.p50_ms:.2f} ms, p99 {found.p99_ms:.2f} ms, "
        f"{found.errors} errors, {found.cpu_s_per_1000:.2f} s of processor for 1,000{noise}"
    )

"""What is used of this machine at a moment, and the moments before: `monitor/machine.jsonl`, one line a look of the monitor.

Processor time and network bytes are counted from the machine's start on: a mean over any span is a difference of two lines.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from contracts.files import write_whole
from lifecycle.monitor.machine.gpus import GpuUse, gpus_here

HISTORY = "machine.jsonl"


@dataclass(frozen=True, kw_only=True)
class MachineUse:
    """At one moment, of the machine's clock."""

    at_s: float  # since 1970
    clock_ns: int  # the same moment by the clock of all that is watched
    boot_s: float
    cpu_busy_s: float  # of all processors together
    cpu_all_s: float
    memory: float  # share that is not available
    disks: Mapping[str, float]  # share of a file system that is used, by what of the project lies there
    sent_bytes: int  # of all networks but loopback
    received_bytes: int
    gpus: Sequence[GpuUse] = ()


def use_now(folders: Mapping[str, Path], clock_ns: int) -> MachineUse:
    """`folders`: by name, what lies on the file systems that are looked at; one that is not there counts where it would be."""
    times, network = psutil.cpu_times(), psutil.net_io_counters(pernic=True)
    outer = [counts for name, counts in network.items() if not name.startswith("lo")]
    all_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)  # which user and nice hold too
    return MachineUse(
        at_s=time.time(),
        clock_ns=clock_ns,
        boot_s=psutil.boot_time(),
        cpu_busy_s=all_s - times.idle - getattr(times, "iowait", 0.0),
        cpu_all_s=all_s,
        memory=psutil.virtual_memory().percent / 100,
        disks=_disks(folders),
        sent_bytes=sum(counts.bytes_sent for counts in outer),
        received_bytes=sum(counts.bytes_recv for counts in outer),
        gpus=gpus_here(),
    )


def _disks(folders: Mapping[str, Path]) -> dict[str, float]:
    """Each file system once."""
    names: dict[int, list[str]] = {}
    used: dict[int, float] = {}
    for name, folder in folders.items():
        place = folder.resolve()
        while not place.exists():
            place = place.parent
        device = place.stat().st_dev
        names.setdefault(device, []).append(name)
        used[device] = psutil.disk_usage(str(place)).percent / 100
    return {", ".join(names[device]): share for device, share in used.items()}


def read_history(state: Path) -> list[MachineUse]:
    """The oldest first; a line that cannot be read is left out."""
    path = state / HISTORY
    if not path.is_file():
        return []
    found = []
    for line in path.read_bytes().splitlines():
        try:
            values = json.loads(line)
            found.append(MachineUse(**{**values, "gpus": tuple(GpuUse(**one) for one in values["gpus"])}))
        except (ValueError, TypeError, KeyError):
            continue
    return found


def keep(state: Path, history: Sequence[MachineUse], most: int) -> None:
    """Replace the history by its newest `most` lines."""
    lines = (json.dumps(asdict(use)) + "\n" for use in history[-most:])
    write_whole(state / HISTORY, "".join(lines).encode())


def cpu_share(before: MachineUse, now: MachineUse) -> float | None:
    """Mean share of all processors between two looks; None if the machine was started in between, or no time passed."""
    passed = now.cpu_all_s - before.cpu_all_s
    if abs(before.boot_s - now.boot_s) > 60 or passed <= 0:  # Linux computes the start anew, and a set clock moves it
        return None
    return min(1.0, max(0.0, (now.cpu_busy_s - before.cpu_busy_s) / passed))


def before(history: Sequence[MachineUse], now: MachineUse, span_s: float) -> MachineUse | None:
    """The oldest look within the last `span_s`; None if there is none."""
    return next((use for use in history if 0 < now.at_s - use.at_s <= span_s), None)

"""Processors, memory, disks, network and GPUs of this machine, held against `monitor.machine`."""

from collections.abc import Sequence
from itertools import pairwise

from contracts.lifecycle.monitor import MachineConfig
from lifecycle.monitor.findings import Finding, Point, Trend
from lifecycle.monitor.machine.limits import half_way, limited
from lifecycle.monitor.machine.usage import MachineUse, before, cpu_share

SHARE = "share of the machine"


def load_findings(history: Sequence[MachineUse], now: MachineUse, config: MachineConfig, now_ns: int) -> list[Finding]:
    """One a resource; processors only if there was a look within the last `span_s`."""
    found = []
    earlier = before(history, now, config.span_s)
    busy = None if earlier is None else cpu_share(earlier, now)
    if earlier is not None and busy is not None:
        sentence = f"{busy:.0%} of the processors were busy over {now.at_s - earlier.at_s:,.0f} s"
        step = "see in the table of processes who takes them; give the server cores of its own, or more of them"
        found.append(limited("cpu", "use", busy, config.cpu, now_ns, sentence, step, unit=SHARE))
    sentence = f"{now.memory:.0%} of the memory are in use"
    step = "see in the table of processes who holds it; train elsewhere than where you serve, or give the machine more"
    page = half_way(config.memory)
    found.append(limited("memory", "use", now.memory, config.memory, now_ns, sentence, step, unit=SHARE, page=page))
    for names, used in now.disks.items():
        sentence = f"the disk of {names} is {used:.0%} full"
        step = "remove old releases (make prune KEEP=5), lower serving.journal.max_gib, or give it a larger disk"
        page = half_way(config.disk)
        found.append(limited(f"disk of {names}", "use", used, config.disk, now_ns, sentence, step, unit=SHARE, page=page))
    return found + _gpu_findings(now, config, now_ns)


def _gpu_findings(now: MachineUse, config: MachineConfig, now_ns: int) -> list[Finding]:
    found = []
    for gpu in now.gpus:
        name = f"gpu {gpu.index}"
        if gpu.memory is not None:
            sentence = f"{gpu.memory:.0%} of the memory of {name} are in use"
            step = "see with nvidia-smi who holds it; lower train.batch_size or trainer.device_memory_frac"
            found.append(limited(name, "use", gpu.memory, config.gpu_memory, now_ns, sentence, step, unit=SHARE))
        if gpu.celsius is not None:
            sentence = f"{name} has {gpu.celsius:.0f} degrees Celsius"
            step = "look at the fans and the air of the room; a GPU slows down before it stops"
            found.append(
                limited(name, "temperature", gpu.celsius, config.gpu_celsius, now_ns, sentence, step, unit="degrees Celsius")
            )
    return found


def load_trends(history: Sequence[MachineUse]) -> list[Trend]:
    """What was used at each look; processors and network as means since the look before."""
    pairs = [*pairwise(history)]

    def trend(subject: str, unit: str, values: Sequence[tuple[MachineUse, float | None]]) -> Trend:
        return Trend(
            subject=subject, kind="use", unit=unit, points=[Point(at_ns=use.clock_ns, value=value) for use, value in values]
        )

    found = [
        trend("cpu", SHARE, [(now, cpu_share(earlier, now)) for earlier, now in pairs]),
        trend("memory", SHARE, [(use, use.memory) for use in history]),
        trend("network", "bytes a second", [(now, _bytes_per_s(earlier, now)) for earlier, now in pairs]),
    ]
    for names in dict.fromkeys(name for use in history for name in use.disks):
        found.append(trend(f"disk of {names}", SHARE, [(use, use.disks.get(names)) for use in history]))
    for index in sorted({gpu.index for use in history for gpu in use.gpus}):
        busy = [(use, next((gpu.busy for gpu in use.gpus if gpu.index == index), None)) for use in history]
        found.append(trend(f"gpu {index}", "share of the time", busy))
    return found


def _bytes_per_s(earlier: MachineUse, now: MachineUse) -> float | None:
    """None if counters began anew in between."""
    sent, received = now.sent_bytes - earlier.sent_bytes, now.received_bytes - earlier.received_bytes
    passed = now.at_s - earlier.at_s
    return (sent + received) / passed if passed > 0 and sent >= 0 and received >= 0 else None

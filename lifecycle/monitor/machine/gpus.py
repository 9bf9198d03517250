"""What is used of this machine's NVIDIA GPUs, as `nvidia-smi` says; nothing where there is none."""

import subprocess
from dataclasses import dataclass
from shutil import which

ASKED = "index,utilization.gpu,memory.used,memory.total,temperature.gpu"
LONGEST_S = 10.0  # nvidia-smi hangs on a broken driver


@dataclass(frozen=True, kw_only=True)
class GpuUse:
    """None: the GPU does not say."""

    index: int
    busy: float | None  # share of the time
    memory: float | None  # share that is used
    celsius: float | None


def gpus_here() -> tuple[GpuUse, ...]:
    """None where there is no nvidia-smi, or it fails."""
    if which("nvidia-smi") is None:
        return ()
    command = ["nvidia-smi", f"--query-gpu={ASKED}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return gpus_of(done.stdout)


def gpus_of(text: str) -> tuple[GpuUse, ...]:
    """One a line of what nvidia-smi prints; `[N/A]` and the like are None."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(ASKED.split(",")) or not cells[0].isdigit():
            continue
        busy, used, total, celsius = map(_number, cells[1:])
        found.append(
            GpuUse(
                index=int(cells[0]),
                busy=None if busy is None else busy / 100,
                memory=used / total if used is not None and total else None,
                celsius=celsius,
            )
        )
    return tuple(found)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None

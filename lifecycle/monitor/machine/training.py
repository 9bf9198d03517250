"""What the last training took, held against its budget."""

import json
from pathlib import Path

from contracts.lifecycle.monitor import MachineConfig
from lifecycle.monitor.findings import Finding
from lifecycle.monitor.machine.limits import limited

TIMING = Path("reports/train_timing.json")  # stage train writes it


def training_findings(config: MachineConfig, now_ns: int, path: Path = TIMING) -> list[Finding]:
    """Time and memory as shares of the budget. Raises ValueError if `path` cannot be read, or is not there."""
    try:
        timing = json.loads(path.read_bytes())
        took_s, memory_mib, weights = float(timing["train_s"]), float(timing["peak_memory_mib"]), str(timing["weights"])
    except FileNotFoundError:
        raise ValueError(f"the training budget: there is no {path}; `make repro` writes it where it trains") from None
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"the training budget: {path} cannot be read; `make repro` writes it anew when it trains") from None
    figures = (
        ("time", took_s / config.train_s, f"{took_s:,.0f} s of {config.train_s:,.0f} s (monitor.machine.train_s)"),
        (
            "memory",
            memory_mib / config.train_memory_mib,
            f"{memory_mib:,.0f} MiB of {config.train_memory_mib:,.0f} MiB (monitor.machine.train_memory_mib)",
        ),
    )
    step = "train on fewer months or with a smaller model (conf/model, conf/train), or raise the budget in conf/monitor"
    return [
        limited(
            "training",
            kind,
            share,
            1.0,
            now_ns,
            f"the last training took {words}",
            step,
            unit="share of the budget",
            weights=weights,
        )
        for kind, share, words in figures
    ]

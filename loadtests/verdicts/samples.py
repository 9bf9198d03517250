"""What came of each request of a load run: one row a request, kept exact, so that percentiles need no buckets.

Each process appends its rows to a file of its own while it runs, so that what a killed one has measured is still there.
"""

import json
import struct
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.verdicts.keyed import KEYED, KeyedAnswers, gather_keyed, keyed_path

OUTCOMES = (
    "ok",
    "wrong",  # answered, but not what the model says
    "refused",  # malformed, and told so
    "answered_malformed",  # malformed, and answered all the same
    "overloaded",  # the server's bounded queue had no room, or no time
    "failed",
    "unknown",  # sent, and not waited for any longer when the run ended
    "unsent",  # due, but the load generator had no room or no time to send it
)
SAMPLE = np.dtype(
    [
        ("intended_s", "<f8"),  # when it was due, CLOCK_MONOTONIC; the same as sent_s where users wait for answers
        ("sent_s", "<f8"),
        ("done_s", "<f8"),
        ("rows", "<u4"),
        ("kind", "u1"),  # place in prepared_request.KINDS
        ("outcome", "u1"),  # place in OUTCOMES
        ("malformed", "?"),
    ]
)
ROW = struct.Struct("<dddIBB?")
FLUSH_S = 0.5
MOST_REASONS = 20


@dataclass(frozen=True, kw_only=True)
class Window:
    """The measured time of a run, CLOCK_MONOTONIC: after the warm-up, before the end of the last stage."""

    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s


class Recorder:
    """Appends the samples of this process to `<folder>/<name>.part`, and what else is worth knowing to `<name>.json`.

    `is_keyed`: who answered which routing key goes to a file beside them (`keyed`).
    """

    def __init__(self, folder: Path, name: str, is_keyed: bool = False) -> None:
        self._path, self._facts = folder / f"{name}.part", folder / f"{name}.json"
        self._file, self._buffer, self._flushed_s = None, bytearray(), 0.0
        self._keyed_path = keyed_path(folder, name) if is_keyed else None
        self.keyed: KeyedAnswers | None = None
        self.restart()

    def restart(self) -> None:
        """Forget what was recorded: a run begins now."""
        self.close()
        self.started_s = time.monotonic()
        self.reasons: Counter[str] = Counter()  # of what went wrong
        self.versions: Counter[int] = Counter()  # of the model, of answers
        self._buffer.clear()
        self._file = self._path.open("wb")
        self.keyed = None if self._keyed_path is None else KeyedAnswers(self._keyed_path)
        self.flush()

    def add(
        self, *, intended_s: float, sent_s: float, done_s: float, rows: int, kind: int, outcome: str, malformed: bool, reason: str
    ) -> None:
        """One request. `reason`: why it is not as it should be; empty where it is."""
        self._buffer += ROW.pack(intended_s, sent_s, done_s, rows, kind, OUTCOMES.index(outcome), malformed)
        if reason and (reason in self.reasons or len(self.reasons) < MOST_REASONS):
            self.reasons[reason] += 1
        if done_s - self._flushed_s > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        if self._file is None:
            return
        self._flushed_s = time.monotonic()
        self._file.write(self._buffer)
        self._file.flush()
        self._buffer.clear()
        if self.keyed is not None:
            self.keyed.flush()
        facts = {"started_s": self.started_s, "reasons": self.reasons, "versions": self.versions}
        partial = self._facts.with_suffix(".partial")
        partial.write_text(json.dumps(facts))
        partial.replace(self._facts)

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None
        if self.keyed is not None:
            self.keyed.close()
            self.keyed = None


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The samples of all processes of a run, in order of `intended_s`, and the rest that they wrote down."""

    samples: np.ndarray  # SAMPLE
    first_s: float  # when the first process began to send; now, if none has
    last_s: float  # when the last did
    reasons: dict[str, int]
    versions: dict[int, int]
    keyed: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=KEYED))  # who answered, where there is a challenger


def gather(folder: Path, target: Path | None = None) -> Recorded:
    """What the processes of a run recorded. Each `<name>.part` becomes `<name>.npy`, in `target` if that is given."""
    parts, reasons, versions, started = [], Counter(), Counter(), []
    for path in sorted(folder.glob("*.part")):
        samples = whole_rows(path.read_bytes())
        np.save((target or folder) / f"{path.stem}.npy", samples)
        parts.append(samples)
        facts = json.loads(path.with_suffix(".json").read_text())
        started.append(facts["started_s"])
        reasons.update(facts["reasons"])
        versions.update({int(version): number for version, number in facts["versions"].items()})
        path.unlink()
    samples = np.concatenate([np.empty(0, dtype=SAMPLE), *parts])
    return Recorded(
        samples=samples[np.argsort(samples["intended_s"], kind="stable")],
        first_s=min(started, default=time.monotonic()),
        last_s=max(started, default=time.monotonic()),
        reasons=dict(reasons.most_common()),
        versions=dict(sorted(versions.items())),
        keyed=gather_keyed(folder, target or folder),
    )


def whole_rows(content: bytes) -> np.ndarray:
    """Samples; a last row that a kill cut short is left out."""
    return np.frombuffer(content[: len(content) // SAMPLE.itemsize * SAMPLE.itemsize], dtype=SAMPLE)


def read_samples(run_dir: Path) -> np.ndarray:
    """The samples of a finished run that fell due in its measured window, SAMPLE, in order of `intended_s`."""
    summary = json.loads((run_dir / "summary.json").read_text(encoding="utf-8"))
    parts = [np.load(path) for path in sorted(run_dir.glob("samples-*.npy"))]
    samples = np.concatenate([np.empty(0, dtype=SAMPLE), *parts])
    return within(samples[np.argsort(samples["intended_s"], kind="stable")], Window(**summary["window"]))


def within(samples: np.ndarray, window: Window) -> np.ndarray:
    """The samples that fell due in the window."""
    return samples[(samples["intended_s"] >= window.start_s) & (samples["intended_s"] < window.end_s)]


def latencies_ms(samples: np.ndarray, *outcomes: str) -> np.ndarray:
    """Milliseconds from when requests of these outcomes were due until they were done, float64."""
    chosen = samples[np.isin(samples["outcome"], [OUTCOMES.index(outcome) for outcome in outcomes])]
    return (chosen["done_s"] - chosen["intended_s"]) * 1e3


def count(samples: np.ndarray) -> dict[str, int]:
    """Number of samples by outcome."""
    numbers = np.bincount(samples["outcome"], minlength=len(OUTCOMES))
    return {name: int(number) for name, number in zip(OUTCOMES, numbers, strict=True)}


def write_summary(run_dir: Path, window: Window, facts: dict[str, Any]) -> None:
    """`summary.json` of a run: its measured window and `facts`."""
    text = json.dumps({"window": asdict(window), **facts}, indent=2, sort_keys=True)
    (run_dir / "summary.json").write_text(text + "\n", encoding="utf-8")

"""The page views that are played: drawn by `python -m stages.pages` in the pipeline's environment, read a day at a time."""

import hashlib
import json
import subprocess
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from contracts.files import write_whole
from contracts.lifecycle.live import WORLD, LiveConfig
from lifecycle.live.months import DAY_MS, fault_since_ms, instant, start_ms

PYTHON = Path(".venv/bin/python")  # of the pipeline: the exchange is drawn by its code
PAGES, IMAGES, NOTE = "pages.parquet", "creatives", "drawn.json"
TRAIN = Path("data/split/train.parquet")


def draw_pages(config: LiveConfig, months: tuple[str, ...], folder: Path, python: Path = PYTHON) -> None:
    """Have the months drawn into `folder`; those that are there, from the same settings, are left alone. Raises ValueError."""
    if not python.is_file():
        raise ValueError(f"{python} is missing; run `make setup`: the exchange is drawn by the pipeline's code")
    command = [str(python), "-m", "stages.pages", *arguments(config, months, folder)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"]
        raise ValueError(f"the page views were not drawn: {said[-1]}")


def arguments(config: LiveConfig, months: tuple[str, ...], folder: Path) -> list[str]:
    """What `stages.pages` is told; of the faults only one of the world is its matter."""
    found = ["--months", *months, "--out", str(folder)]
    found += ["--candidates", str(config.candidates), "--pages", str(config.pages_per_month)]
    fault = config.fault
    if fault is None or fault.kind not in WORLD:
        return found
    found += ["--fault", fault.kind, "--since", instant(fault_since_ms(fault, months)).isoformat()]
    size = 0.0 if fault.size is None else fault.size
    return [*found, "--share", str(fault.share), "--size", str(size), "--over-days", str(fault.over_days)]


@dataclass(frozen=True, kw_only=True)
class MonthPages:
    """Page views of a month, from a folder that `stages.pages` wrote."""

    month: str
    folder: Path  # of the month

    @cached_property
    def rows(self) -> pl.DataFrame:
        """All candidates, those of a page view side by side, in the order of time; `key` is the impression's id as text."""
        if not (self.folder / PAGES).is_file():
            raise ValueError(f"{self.folder / PAGES} is missing; `make live` draws it anew")
        key = pl.col("impression_id").cast(pl.String).alias("key")
        return pl.read_parquet(self.folder / PAGES).with_columns(key, pl.col("timestamp").dt.epoch("ms").alias("at_ms"))

    def day(self, day: date) -> pl.DataFrame:
        """The rows of one day."""
        start = start_ms(day)
        first, end = np.searchsorted(self.rows["at_ms"].to_numpy(), [start, start + DAY_MS])
        return self.rows.slice(first, end - first)

    def images(self, known: set[str]) -> dict[str, bytes]:
        """By creative id, but of those that are `known`."""
        return {path.stem: path.read_bytes() for path in sorted((self.folder / IMAGES).glob("*.png")) if path.stem not in known}


def known_creatives(creative: str | None, train: Path = TRAIN) -> set[str]:
    """Those that the pipeline's training split holds: of others an image is sent along.

    If the model knows one of these all the same, the server checks its image and does not use it.
    """
    if creative is None or not train.is_file():
        return set()
    return set(pl.read_parquet(train, columns=[creative])[creative].cast(pl.String))


def refuse_other_settings(config: LiveConfig, months: tuple[str, ...], pages: Path, folder: Path) -> None:
    """Note what `folder` is played with. Raises ValueError if it was played with something else before."""
    drawn = [json.loads((pages / month / NOTE).read_text())["made_from"] for month in months]
    told = {key: value for key, value in asdict(config).items() if key in ("policy", "labels", "fault")}
    digest = hashlib.sha256(json.dumps([months, drawn, told], sort_keys=True).encode()).hexdigest()
    note = folder / "played-with"
    if note.is_file() and note.read_text() != digest:
        raise ValueError(
            f"{folder}/ was played with other settings (months, exchange, page views, policy, labels or fault); "
            "remove it, or name another: make live FAULT=none ARGS=folder=live/second"
        )
    write_whole(note, digest.encode())

"""Which release is where: in the store, in the route, and in what was answered last, by the journal."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from lifecycle.journal.columns import DAY, HOUR
from lifecycle.journal.served import SERVED
from lifecycle.monitor.findings import Finding, FindingTable
from lifecycle.monitor.machine.limits import limited
from serving.releases.routing import fuse_of, in_words
from serving.releases.store import Store

HOURS = 24  # of answers that are looked at, to the newest
COLUMNS = ("release", "is", "released", "rows answered", "last answer")


@dataclass(frozen=True, kw_only=True)
class AnsweredBy:
    """What a release answered lately."""

    rows: int
    last_ns: int


def answered_lately(journal: Path, now_ns: int) -> dict[int, AnsweredBy]:
    """By release, of the last 24 hours of the clock that are Parquet."""
    until = datetime.fromtimestamp(now_ns / 1e9, UTC)
    hours = {until - timedelta(hours=back) for back in range(HOURS + 1)}
    folders = [journal / SERVED / f"{DAY}={hour:%Y-%m-%d}" / f"{HOUR}={hour:%H}" for hour in hours]
    parts = [
        pl.scan_parquet(path, hive_partitioning=False).select("release", pl.col("answered_at").cast(pl.Int64))
        for folder in folders
        for path in sorted(folder.glob("*.parquet"))
    ]
    if not parts:
        return {}
    found = pl.concat(parts).group_by("release").agg(rows=pl.len(), last_ns=pl.col("answered_at").max()).collect()
    return {row["release"]: AnsweredBy(rows=row["rows"], last_ns=row["last_ns"]) for row in found.iter_rows(named=True)}


def releases_table(store: Store, answered: Mapping[int, AnsweredBy]) -> FindingTable:
    """The newest first; releases that answered and are not in the store any more, too."""
    roles, released = _roles(store), store.versions()
    rows = []
    for number in sorted({*released, *answered}, reverse=True):
        role = roles.get(number, "kept" if number in released else "removed")
        lately = answered.get(number)
        last = "none" if lately is None else _moment(lately.last_ns)
        rows.append((number, role, _released_at(store, number), 0 if lately is None else lately.rows, last))
    return FindingTable(
        title=f"Releases in {store.folder} on {socket.gethostname()}, and their answers of 24 hours", columns=COLUMNS, rows=rows
    )


def route_findings(store: Store, now_ns: int) -> list[Finding]:
    """A challenger's fuse, a route whose time is over, a route that cannot be read; nothing if there is no challenger."""
    try:
        route = store.route()
    except ValueError as error:
        step = "make route SET=off writes it anew; until then the route before it goes on"
        return [limited("route", "broken", 1.0, 1.0, now_ns, str(error), step, unit="routes")]
    if route is None or route.trial is None:
        return []
    fuse = fuse_of(store.folder, route)
    is_blown, words = fuse is not None, in_words(route)
    sentence = (
        f"the challenger is off, its fuse blew ({fuse.reason}): {words}" if fuse is not None else f"the fuse is whole: {words}"
    )
    step = "make route shows the evidence; make route SET=off ends the rollout"
    found = [limited("route", "fuse", float(is_blown), 1.0, now_ns, sentence, step, unit="fuses")]
    over_s = (now_ns / 1e6 - route.trial.valid_until_ms) / 1000
    if over_s > 0 and not is_blown:
        sentence = f"nobody renewed the route, the champion answers all for {over_s:,.0f} s: {words}"
        step = "make route SET=renew FOR=1h, or make route SET=off"
        found.append(limited("route", "lapsed", over_s, 0.0, now_ns, sentence, step, unit="seconds"))
    return found


def _roles(store: Store) -> dict[int, str]:
    arms = store.arms()
    before = store.before()
    roles = {before: "served before"} if before is not None else {}
    return roles | dict(zip(arms, ("champion", "challenger"), strict=False))


def _released_at(store: Store, number: int) -> str:
    """When its folder was made, of the machine's clock."""
    folder = store.folder / "ctr" / str(number)
    return _moment(folder.stat().st_mtime_ns) if folder.is_dir() else "not here"


def _moment(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"

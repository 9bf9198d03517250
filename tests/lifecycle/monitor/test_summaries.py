"""Windows on the disk: each file of the journal is counted once, whatever is killed, merged or run twice."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import polars as pl
import pytest

from contracts.dataset.declaration import Declaration
from contracts.lifecycle.monitor import MonitorConfig
from contracts.params import read_section
from lifecycle.monitor.counts import summaries as module
from lifecycle.monitor.counts.summaries import Summaries
from lifecycle.monitor.findings import Context, report_from
from lifecycle.monitor.inputs.area import look
from lifecycle.monitor.run import lines_of, look_once, only_monitor

HOUR = 3600 * 10**9
START = 1_800_000_000 * 10**9 // HOUR * HOUR


def declared() -> Declaration:
    columns = [
        {"name": "device", "role": "categorical", "dtype": "string"},
        {"name": "user", "role": "entity", "dtype": "string"},
        {"name": "price", "role": "numeric", "dtype": "float"},
        {"name": "clicked", "role": "label", "dtype": "int"},
    ]
    source = {"kind": "files", "path": "data", "files": ["*.csv"]}
    return Declaration(name="small", source=source, columns=columns, split={"by": "row", "val_frac": 0.1, "test_frac": 0.1})


def write_hour(journal: Path, hour: int, rows: int = 40) -> None:
    at = pl.Series([START + hour * HOUR + place for place in range(rows)]).cast(pl.Datetime("ns", "UTC"))
    table = pl.DataFrame(
        {
            "prediction_id": [f"{hour}-{place}" for place in range(rows)],
            "device": ["phone", "tv", None, "phone"] * (rows // 4),
            "user": [f"secret-{place % 3}" for place in range(rows)],
            "price": [float(place % 7) for place in range(rows)],
            "probability": [0.25] * rows,
            "release": [1] * rows,
        }
    ).with_columns(answered_at=at, event_at=at)
    path = journal / f"served/answered_day=2027-01-15/answered_hour={hour:02d}/s.parquet"
    path.parent.mkdir(parents=True)
    table.write_parquet(path)


def opened(folder: Path) -> Summaries:
    return Summaries(folder / "monitor", folder / "journal", folder / "store", declared(), 10_000)


def rows_of(found: Summaries) -> int:
    counts = found.counts()[1]
    return int(counts.filter((pl.col("column") == "") & (pl.col("key") == "rows"))["n"].sum())


def test_each_file_is_counted_once_and_its_users_are_not_written(tmp_path: Path) -> None:
    write_hour(tmp_path / "journal", 1)
    assert opened(tmp_path).gather() == 40
    assert opened(tmp_path).gather() == 0
    write_hour(tmp_path / "journal", 2)
    assert opened(tmp_path).gather() == 40
    found = opened(tmp_path)
    assert rows_of(found) == 80
    device = found.counts()[1].filter((pl.col("column") == "device") & (pl.col("what") == "cell"))
    assert device.group_by("key").agg(pl.col("n").sum()).sort("key").rows() == [("1", 20), ("2", 40), ("3", 20)]
    assert not any("secret" in key for key in found.counts()[1]["key"])
    assert not any(b"secret" in path.read_bytes() for path in (tmp_path / "monitor/windows").glob("part-*"))


def test_merged_parts_count_once_though_the_old_ones_are_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for hour in range(3):
        write_hour(tmp_path / "journal", hour)
        opened(tmp_path).gather()
    parts = {path: path.read_bytes() for path in (tmp_path / "monitor/windows").glob("part-*")}
    assert len(parts) == 3
    before = opened(tmp_path).counts()[1].sort("hour", "slot", "column", "what", "key")
    monkeypatch.setattr(module, "MOST_PARTS", 2)
    opened(tmp_path).gather()
    assert len(list((tmp_path / "monitor/windows").glob("part-*"))) == 1
    for path, content in parts.items():  # killed before they were removed
        path.write_bytes(content)
    found = opened(tmp_path)
    assert rows_of(found) == 120
    assert found.counts()[1].sort("hour", "slot", "column", "what", "key").equals(before)


def test_a_plan_stays_what_it_was_at_first(tmp_path: Path) -> None:
    write_hour(tmp_path / "journal", 1)
    opened(tmp_path).gather()
    plan, is_own = opened(tmp_path).plan(1)
    assert not is_own
    assert plan.column("device").values == ("phone", "tv")
    saved = json.loads((tmp_path / "monitor/windows/release-1.json").read_text())
    assert saved["profile"]["columns"]["device"]["shares"] == {"phone": 0.5, "tv": 0.25}


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    write_hour(tmp_path / "journal", 1)
    path = next((tmp_path / "journal").rglob("*.parquet"))
    path.write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"s\.parquet is no Parquet file of the journal"):
        opened(tmp_path).gather()


def _hold(folder: Path) -> None:
    with only_monitor(folder):
        (folder / "held").touch()
        time.sleep(60)


def test_a_second_monitor_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    holder = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path,))
    holder.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "held").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(ValueError, match="another process monitors"), only_monitor(tmp_path):
        pass
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with only_monitor(tmp_path):
        pass


def test_a_look_writes_a_report_that_can_be_read_and_says_what_was_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lifecycle.monitor.areas.AREAS", (look,))
    page = tmp_path / "monitor.html"
    context = Context(
        declaration=declared(),
        config=read_section("monitor", MonitorConfig),
        journal=tmp_path / "journal",
        feedback=tmp_path / "feedback",
        store=tmp_path / "store",
        state=tmp_path / "monitor",
        now_ns=START + 5 * HOUR,
    )
    with pytest.raises(ValueError, match="has no answers as Parquet; serve with a journal"):
        look_once(context, page)
    write_hour(context.journal, 1)
    report = look_once(context, page)
    assert "40" in page.read_text() and "small" in page.read_text()
    assert report_from(json.loads((context.state / "report.json").read_text())).as_dict() == json.loads(
        json.dumps(report.as_dict())
    )
    assert [one.rows for one in report.serving] == [40]
    means = [point.value for trend in report.areas[0].series if trend.kind == "mean" for point in trend.points]
    assert means == [0.25]
    assert lines_of(report)[0].startswith("note: release 1 has no profile")
    assert look_once(context, page).areas == report.areas


def test_what_was_counted_is_judged_again_after_the_journals_files_are_gone(tmp_path: Path) -> None:
    for hour in range(3):
        write_hour(tmp_path / "journal", hour, rows=400)
    opened(tmp_path).gather()
    before = opened(tmp_path).counts()[1]
    for hour in range(2):
        (tmp_path / f"journal/served/answered_day=2027-01-15/answered_hour={hour:02d}/s.parquet").unlink()
    again = opened(tmp_path)
    again.gather()
    assert rows_of(again) == 1200 and again.counts()[1].sort(before.columns).equals(before.sort(before.columns))

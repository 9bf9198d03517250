"""`make ab` in a folder with a store, a journal and labels: what it prints, writes and ends with."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from contracts.serving import release_log
from contracts.serving.release_log import Entry, append
from contracts.serving.releases import PUBLIC
from contracts.serving.route import NAME, Route, text_of
from lifecycle.ab import __main__ as command
from lifecycle.ab.judged import signed
from tests.lifecycle.ab.served_views import DAY_ONE, SCHEMA, write_labels, write_views
from tests.lifecycle.ab.simulated_keys import simulated
from tests.lifecycle.ab.test_ab_begun import HALF
from tests.lifecycle.monitor.played import declaration

DAYS = 4
OVERRIDES = ("ab.days=3", "ab.keys=500", "ab.clicks=50")


class Stopped:
    """A clock that shows the test's first moment, or what it is set to."""

    def __init__(self, day: int = 0) -> None:
        self.at = datetime(2027, 3, 1, tzinfo=UTC) + timedelta(days=day)

    def now(self) -> datetime:
        return self.at

    def now_ns(self) -> int:
        return int(self.at.timestamp()) * 10**9


@pytest.fixture
def played(tmp_path, monkeypatch) -> tuple:
    """Four days of a test whose challenger gets half as many clicks more, and the journal's rows of it."""
    store = tmp_path / "models"
    monkeypatch.setattr(release_log, "clock", Stopped)
    monkeypatch.setattr(command, "clock", lambda: Stopped(DAYS + 3))
    append(store, Entry(event="route", model=None, route=f"{HALF.digest:016x}", text=text_of(HALF)))
    (store / NAME).write_text(text_of(HALF))
    public = store / PUBLIC / "12"
    public.mkdir(parents=True)
    (public / "declaration.json").write_text(json.dumps(as_json(declaration())))
    views = simulated(5, days=DAYS, keys=4000, lift=0.5)
    rows = rows_of(views)
    write_views(tmp_path, rows.drop("day_number", "clicks"))
    label(tmp_path, rows)
    words = [
        f"serving.server.store={store}",
        f"serving.journal.folder={tmp_path / 'journal'}",
        f"feedback.folder={tmp_path / 'feedback'}",
    ]
    return tmp_path, [*words, *OVERRIDES], rows


def as_json(value) -> dict:
    return TypeAdapter(Declaration).dump_python(value, mode="json")


def rows_of(by_key: pl.DataFrame) -> pl.DataFrame:
    """A page view of one row for each; as many of a key and day are clicked as it says."""
    day = (pl.col("day") - by_key["day"].min()).dt.total_days().alias("day_number")
    views = by_key.with_columns(day).select(pl.all().repeat_by("views").explode())
    number = pl.int_range(pl.len()).over("key", "day_number")
    return views.select(
        pl.int_range(pl.len()).cast(pl.String).alias("prediction_id"),
        pl.lit(0, dtype=pl.UInt32).alias("row"),
        (pl.lit(DAY_ONE) + pl.duration(days="day_number", hours=9)).cast(SCHEMA["answered_at"]).alias("answered_at"),
        pl.lit(None, dtype=SCHEMA["event_at"]).alias("event_at"),
        pl.lit(None, dtype=pl.String).alias("request_id"),
        pl.lit(HALF.digest, dtype=pl.UInt64).alias("route"),
        pl.when(pl.col("arm") == 1).then(pl.lit("challenger")).otherwise(pl.lit("champion")).alias("arm"),
        pl.lit(False).alias("fallback"),
        pl.format("u{}", "key").alias("routing_key"),
        pl.format("u{}", "key").alias("user_id"),
        pl.lit(1.0).alias("price"),
        "day_number",
        (number < pl.col("clicks")).cast(pl.Int8).alias("clicks"),
    )


def label(folder, rows: pl.DataFrame) -> None:
    found = {
        (name, row, day): clicked
        for name, row, day, clicked in rows.select("prediction_id", "row", "day_number", "clicks").rows()
    }
    write_labels(folder, found, last_day=DAYS)


def run(monkeypatch, folder, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["ab", "--page", str(folder / "reports/ab.html"), "--", " ".join(words)])
    return command.main()


def test_it_says_which_release_does_better(played, monkeypatch, capsys):
    folder, words, rows = played
    assert run(monkeypatch, folder, *words) == 0
    told = capsys.readouterr().out
    assert "ab: 13-9f86d081-50: release 13 beside 12, 50 % of the keys, since 2027-03-01 00:00, in force; 4 days" in told
    assert f"4 days with final labels, {len(rows):,} page views" in told
    assert "ab: the challenger does better: clicks a thousand page views +" in told and "reports/ab.html" in told
    assert "The challenger does better" in (folder / "reports/ab.html").read_text()
    figures = rows.group_by("arm").agg(pl.col("clicks").mean() * 1000).sort("arm")["clicks"].to_list()
    assert f"clicks a thousand page views {signed(figures[0] - figures[1])} (" in told


def test_it_refuses_keys_that_were_drawn_with_code_1(played, monkeypatch, capsys):
    folder, words, rows = played
    drawn = rows.with_columns(pl.col("prediction_id").alias("routing_key"), pl.lit(None, pl.String).alias("user_id"))
    write_views(folder, drawn.drop("day_number", "clicks"))
    assert run(monkeypatch, folder, *words) == 1
    told = capsys.readouterr()
    assert "0.0% came before, they were drawn" in told.err and "does better" not in told.out
    assert "they were drawn" in (folder / "reports/ab.html").read_text()


def test_it_refuses_users_in_both_arms_with_code_1(played, monkeypatch, capsys):
    folder, words, rows = played
    number = pl.col("routing_key").str.slice(1).cast(pl.Int64)
    write_views(folder, rows.with_columns(pl.format("u{}", number // 2).alias("user_id")).drop("day_number", "clicks"))
    assert run(monkeypatch, folder, *words) == 1
    assert "users in both arms" in capsys.readouterr().err


def test_it_asks_for_an_ab_test_where_there_was_none(played, monkeypatch):
    folder, words, _ = played
    (folder / "models" / release_log.NAME).unlink()
    with pytest.raises(ValueError, match="has seen no A/B test; begin one of release 13"):
        run(monkeypatch, folder, *words)
    append(folder / "models", Entry(event="route", model=None, text=text_of(Route(champion=12))))
    with pytest.raises(ValueError, match="has seen no A/B test"):
        run(monkeypatch, folder, *words)


def test_it_says_what_it_takes(played, monkeypatch):
    folder, words, _ = played
    with pytest.raises(ValueError, match="expected the name of one A/B test, got a b"):
        run(monkeypatch, folder, "a", "b")
    with pytest.raises(ValueError, match="expected section.key=value with a section of ab, feedback"):
        run(monkeypatch, folder, "rollout.need=better")
    with pytest.raises(ValueError, match=r"ab\.alpha"):
        run(monkeypatch, folder, *words, "ab.alpha=0.9")


def test_labels_of_a_day_that_is_not_over_change_nothing(played, monkeypatch, capsys):
    folder, words, rows = played
    run(monkeypatch, folder, *words)
    before = capsys.readouterr().out
    assert "the challenger does better" in before
    write_views(
        folder,
        rows.filter(pl.col("day_number") == 0)
        .with_columns(pl.col("answered_at") + pl.duration(days=DAYS), pl.format("next{}", "prediction_id").alias("prediction_id"))
        .drop("day_number", "clicks"),
    )
    run(monkeypatch, folder, *words)
    assert capsys.readouterr().out == before

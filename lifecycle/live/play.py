"""Plays months: every page view is asked when its time has come, what is shown and clicked is noted, and events come back.

A day is played when its file in the ledger is there. Killed within a day, the program finds in the journal what was answered.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import polars as pl

from contracts.clock import clock
from contracts.dataset.declaration import Declaration
from contracts.files import write_whole
from contracts.lifecycle.live import LiveConfig
from lifecycle.live.after import DayCommands
from lifecycle.live.ask import AskedDay, PageSender, wait_until
from lifecycle.live.clients import sent_rows
from lifecycle.live.events import Fates, events_told, heartbeat, json_lines
from lifecycle.live.ledger import NOTHING, Ledger, with_outcome
from lifecycle.live.months import DAY_MS, days_of, fault_since_ms, month_of, start_ms
from lifecycle.live.months_file import write_month_file
from lifecycle.live.pages import MonthPages, known_creatives
from lifecycle.live.recover import answers_by_key, is_settled, whole_pages

SETTLED_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Play:
    """Months in a folder: pages/, played/, feedback/ and months/ below it, and the journal of the server."""

    config: LiveConfig
    months: tuple[str, ...]
    seed: int
    declaration: Declaration
    folder: Path
    journal: Path
    say: Callable[[str], None] = print
    settled_within_s: float = 0.0  # until all answers are in closed segments, before the commands of the last day
    images: dict[str, dict[str, bytes]] = field(default_factory=dict)  # of the month that is played

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.folder / "played")

    @cached_property
    def pages(self) -> dict[str, MonthPages]:
        return {month: MonthPages(month=month, folder=self.folder / "pages" / month) for month in self.months}

    @cached_property
    def days(self) -> list[date]:
        return days_of(self.months, self.config.labels.days_after)

    @cached_property
    def fates(self) -> pl.DataFrame:
        drawn = (Fates.drawn(self.pages[month].rows["key"], month, self.seed, self.config.labels) for month in self.months)
        return pl.concat([one.rows for one in drawn])

    @property
    def is_over(self) -> bool:
        """Are all months played, and have all commands run after their days."""
        return self.begun is None and self._over.is_file()

    def end(self) -> None:
        """Note that they have."""
        write_whole(self._over, b"")

    @property
    def _over(self) -> Path:
        return self.folder / "over"

    @property
    def entity(self) -> str:
        assert self.declaration.entity is not None  # the exchange has users
        return self.declaration.entity.name

    @property
    def fault_ms(self) -> int:
        return 0 if self.config.fault is None else fault_since_ms(self.config.fault, self.months)

    def events_path(self, day: date) -> Path:
        return self.folder / "feedback" / f"{day}.jsonl"

    def rows(self, day: date) -> pl.DataFrame:
        """Of the day's page views."""
        pages = self.pages.get(month_of(day)) or self.pages[self.months[-1]]
        return pages.day(day)

    @cached_property
    def begun(self) -> tuple[date, pl.DataFrame] | None:
        """The first day that is not played yet, and its page views that the journal has answers to, with these."""
        day = next((day for day in self.days if not self.ledger.has(day)), None)
        if day is None:
            return None
        rows = self.rows(day)
        return day, whole_pages(answers_by_key(self.journal, rows["key"]), rows)

    def next_ms(self) -> int:
        """When the first thing happens that has not happened yet: a page view, or the end of a day of the feed."""
        if self.begun is None:
            return start_ms(self.days[-1]) + DAY_MS
        day, answered = self.begun
        left = self.rows(day).join(answered, on="key", how="anti", maintain_order="left")
        return int(left["at_ms"][0]) if len(left) else start_ms(day)

    def play(self, sender: PageSender, after: DayCommands) -> None:
        """All days that are not played yet, and what a kill kept from following those that are."""
        for day in self.days:
            asked = None if self.ledger.has(day) else self._play_day(day, sender)
            if not self.events_path(day).is_file():  # the last of a day's files
                wait_until(start_ms(day) + DAY_MS)
                self._write_month(month_of(day))
                self._pass_on(day)
            if not after.has_run(day):
                self._settle(day)
                after.day_over(day)
            if asked is not None:
                self.say(self._line(day, asked))

    def _settle(self, day: date) -> None:
        """Before the commands of the last day, wait until they can make Parquet of all answers: none comes after them."""
        until = time.monotonic() + (self.settled_within_s if day == self.days[-1] else 0)
        while time.monotonic() < until and not is_settled(self.journal):
            time.sleep(SETTLED_POLL_S)

    def _play_day(self, day: date, sender: PageSender) -> AskedDay:
        rows = self.rows(day)
        before = self.begun[1] if self.begun is not None and self.begun[0] == day else rows.clear()
        left = rows.join(before, on="key", how="anti", maintain_order="left")
        images = self._images(month_of(day)) if len(left) else {}
        asked = sender.ask(sent_rows(left, self.config.fault, self.fault_ms, self.entity), images)
        new = rows.join(asked.answers, on="key", maintain_order="left")
        answered = pl.concat([before, new], how="diagonal").sort("at_ms", "page", maintain_order=True)
        self.ledger.write(day, with_outcome(answered, self.config.policy) if len(answered) else NOTHING)
        return asked

    def _images(self, month: str) -> dict[str, bytes]:
        """Of creatives that the model does not know; read once a month. None where models of this data set look at no images."""
        if self.declaration.images is None:
            return {}
        if month not in self.images:
            creative = self.declaration.creative
            known = known_creatives(None if creative is None or self.config.images == "all" else creative.name)
            self.images.clear()
            self.images[month] = self.pages[month].images(known)
        return self.images[month]

    def _pass_on(self, day: date) -> None:
        """The day's events, as a file. A feed that has stopped gives empty ones."""
        start, end = start_ms(day), start_ms(day) + DAY_MS
        fault = self.config.fault
        stops = end if fault is None or fault.kind != "stopped_feed" else max(start, min(end, self.fault_ms))
        events = events_told(self.ledger.read([d for d in self.days if d <= day]), self.fates, start, stops)
        write_whole(self.events_path(day), json_lines(events, *([heartbeat(end)] if stops == end else [])), synced=True)

    def _write_month(self, month: str) -> None:
        """The month's own file, as far as it has come."""
        if month not in self.pages:
            return
        pages = self.pages[month]
        ledger = self.ledger.read([day for day in self.days if month_of(day) == month])
        label = self.declaration.label.name
        columns = [column.name for column in self.declaration.columns if column.is_read and column.name != label]
        write_month_file(self.folder / "months" / month, pages.rows, ledger, columns, label, pages.folder / "creatives")

    def _line(self, day: date, asked: AskedDay) -> str:
        played = self.ledger.read([day])
        shown, clicked = int(played["shown"].sum()), int(played["clicked"].sum())
        late_h = (clock().now_ns() / 1e6 - start_ms(day + timedelta(days=1))) / 3_600_000
        refused = f"; {len(asked.refused)} page views refused: {asked.refused[0]}" if asked.refused else ""
        return (
            f"live: {day}  {played['page'].n_unique()} page views, {len(played)} rows, {shown} shown, {clicked} clicks; "
            f"{max(0.0, late_h):.1f} h behind the clock{refused}"
        )

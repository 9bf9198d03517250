"""Area `labels` of the monitor: does the feed of labels still come, and do its senders agree. Reads labels/ and state.json."""

from dataclasses import asdict
from typing import Any

import polars as pl

from contracts.lifecycle.feedback import HOUR_NS, FeedbackConfig
from contracts.params import read_section
from lifecycle.feedback.answered import answered_files
from lifecycle.feedback.labels import FeedState, label_files, read_labels, read_state
from lifecycle.feedback.moments import shown_time
from lifecycle.monitor.findings import Area, Context, Finding, FindingTable, Looked, Point, Trend, Verdict

HOLDS = "nothing is turned into a 0 meanwhile: rows wait"
SHARES = {  # of what was received: from where on it is worth a word, and what to do
    "contradicting": (0.001, 0.01, "find out which source is right: sources that disagree say different things of the same row"),
    "expired": (
        0.01,
        0.05,
        "are prediction ids and keys those of the answers; is the journal made Parquet of, and kept long enough",
    ),
    "rejected": (0.01, 0.05, "the reasons are in the endpoint's answers, and in rejected/ beside the labels"),
}
MATTERS = 1000  # events received, below which a share says little
DAYS = 31  # of the series


def look(context: Context) -> Area:
    """What the state of the feed says at the context's time."""
    state, config = read_state(context.feedback), context.feed or read_section("feedback", FeedbackConfig)
    if state.first_received_ns is None and state.watermark_ns is None:
        return Area(name="labels", notes=["no feedback was ever taken in: make feedback INPUT=... (docs/feedback.md)"])
    served = answered_files(context.journal)
    notes = [] if served else ["the journal has no answers, so no label can be late"]
    findings = [_late(state, config, context.now_ns)] if served else []
    findings += [_share(name, state, context.now_ns) for name in SHARES] + [_late_corrections(state, context.now_ns)]
    if state.unshown_clicks and not config.all_shown:
        notes.append(f"{state.unshown_clicks:,} rows were clicked and nobody said that they were shown: they have no label")
    return Area(name="labels", findings=findings, series=_lags(context), tables=[_counts(state)], notes=notes)


def _late(state: FeedState, config: FeedbackConfig, now_ns: int) -> Finding:
    """How far the watermark lies behind the clock; where there is none yet, how long ago the first event came."""
    since_ns = state.watermark_ns if state.watermark_ns is not None else state.first_received_ns or now_ns
    behind_h = max(0, now_ns - since_ns) / HOUR_NS
    is_late = behind_h > config.late_h
    said = (
        f"complete until {shown_time(state.watermark_ns)} UTC" if state.watermark_ns is not None else "never said to be complete"
    )
    return _finding(
        subject="feed",
        kind="late",
        verdict="page" if is_late else "ok",
        effect=behind_h * 3600,
        unit="seconds",
        sentence=f"The feed of labels is {said}, {behind_h:,.1f} hours behind the clock (limit {config.late_h:g}); "
        f"{state.open_rows:,} shown rows wait for their label{f', and {HOLDS}' if is_late else ''}.",
        next_step="Ask whoever sends clicks whether the feed has stopped; a heartbeat or COMPLETE= says that it is complete "
        "(docs/feedback.md)" if is_late else "Nothing to do.",
        window=Looked(start_ns=since_ns, end_ns=now_ns, rows=state.open_rows),
        evidence={"limit_s": config.late_h * 3600},
    )  # fmt: skip


def _share(name: str, state: FeedState, now_ns: int) -> Finding:
    number, (watched, warned, advice) = getattr(state, name), SHARES[name]
    share = number / state.received if state.received else 0.0
    is_enough = state.received >= MATTERS
    verdict: Verdict = "warning" if is_enough and share > warned else "watch" if share > watched else "ok"
    return _finding(
        subject="feed",
        kind=name,
        verdict=verdict,
        effect=share,
        unit="share of events",
        sentence=f"{number:,} of {state.received:,} events received are {name} ({share:.2%}; limit {warned:.0%}).",
        next_step="Nothing to do." if verdict == "ok" else f"{advice[0].upper()}{advice[1:]}.",
        window=Looked(start_ns=state.first_received_ns or now_ns, end_ns=now_ns, rows=state.received),
        evidence={"number": number, "received": state.received, "watched": watched, "limit": warned},
    )


def _late_corrections(state: FeedState, now_ns: int) -> Finding:
    left = state.late_corrections - state.reopened
    share = left / state.final_rows if state.final_rows else 0.0
    verdict: Verdict = "watch" if left else "ok"
    return _finding(
        subject="feed",
        kind="late_corrections",
        verdict=verdict,
        effect=share,
        unit="share of final labels",
        sentence=f"{left:,} corrections came after their label was final, of {state.final_rows:,} final labels ({share:.2%}).",
        next_step="make feedback REOPEN=1 takes them in; if there are many, feedback.maturity_h is too short, or the feed is "
        "said to be complete before it is" if left else "Nothing to do.",
        window=Looked(start_ns=state.first_received_ns or now_ns, end_ns=now_ns, rows=state.final_rows),
        evidence={"late_corrections": state.late_corrections, "reopened": state.reopened},
    )  # fmt: skip


def _finding(evidence: dict[str, Any], **said: Any) -> Finding:
    """Counts: chance has no part in them."""
    return Finding(area="labels", chance=None, level=None, p_value=None, evidence=evidence, **said)


def _lags(context: Context) -> list[Trend]:
    """By day of the answer: hours until half of its labels were final, and the share of clicks among them."""
    if not label_files(context.feedback):
        return []
    rows = read_labels(context.feedback, context.now_ns - DAYS * 24 * HOUR_NS, context.now_ns)
    days = (
        rows.group_by(pl.col("answered_at").dt.truncate("1d").dt.epoch("ns").alias("day"))
        .agg(
            lag=(pl.col("final_at") - pl.col("answered_at")).dt.total_seconds().median() / 3600,
            clicked=pl.col("clicked").mean(),
        )
        .sort("day")
        .collect()
    )
    kinds = {"lag": "hours until half of the labels are final", "clicked": "share of clicks among final labels"}
    return [
        Trend(
            subject="feed",
            kind=kind,
            unit=unit,
            points=[Point(at_ns=at, value=value) for at, value in days.select("day", kind).rows()],
        )
        for kind, unit in kinds.items()
    ]


def _counts(state: FeedState) -> FindingTable:
    hidden = ("at_ns", "watermark_ns", "last_event_ns", "first_received_ns", "oldest_waiting_ns")
    counts = [[name.replace("_", " "), number] for name, number in asdict(state).items() if name not in hidden]
    times = [
        ["complete until", state.watermark_ns],
        ["last event", state.last_event_ns],
        ["oldest waiting", state.oldest_waiting_ns],
    ]
    shown = [[name, shown_time(at)] for name, at in times]  # type: ignore[arg-type]
    return FindingTable(title="Events of the feed", columns=["what", "number or time"], rows=[*counts, *shown])

"""What was replayed, as text that a person reads and as JSON for programs."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from lifecycle.replay.bulk import Totals
from lifecycle.replay.by_key import Keyed
from lifecycle.replay.compare import TOLERANCE
from lifecycle.replay.explain import ColumnPart
from lifecycle.replay.lineage import Lineage, graph_files, in_words
from lifecycle.replay.routing import AnswerRouting, lines_of_routing

WIDEST = 40  # letters of a value in a table
MANY = 12  # rows of a request that are all shown


@dataclass(frozen=True, kw_only=True)
class RowAgain:
    """A row of a request."""

    row: int
    recorded: float | None  # None if it was erased
    replayed: float | None  # None if it could not be replayed
    is_equal: bool  # to the last bit
    difference: float | None
    is_fault: bool
    why_not: str | None


@dataclass(frozen=True, kw_only=True)
class OtherComputation:
    """What was computed of the same rows beside the answer."""

    is_shadow: bool  # else the rows were handed on, and answered by another release
    release: int
    computed_at: str
    source: str
    rows: list[RowAgain]
    may_differ: str | None


@dataclass(frozen=True, kw_only=True)
class ReplayReport:
    """Of one prediction id."""

    prediction_id: str
    answered_at: str
    asked: dict[str, Any]  # what the caller said beside the rows
    source: str  # the file in the journal
    batch: dict[str, Any]  # its rows, how many of them are equal, and what is not known of it
    ran: dict[str, Any]  # ONNX Runtime, threads and processor: recorded and here
    may_differ: str | None  # why bits need not be the same
    rows: list[RowAgain]
    routing: AnswerRouting | None  # None if no route had to do with it
    others: list[OtherComputation]  # by the other arm
    explained_row: int
    log_odds: float | None
    parts: list[ColumnPart]
    lineage: Lineage

    @property
    def is_fault(self) -> bool:
        return bool(self.batch["faults"]) or any(row.is_fault for other in self.others for row in other.rows)

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False, default=str)


def lines_of(report: ReplayReport) -> list[str]:
    """The report of an id, line by line."""
    said = ", ".join(f"{name} {value}" for name, value in report.asked.items() if value is not None)
    batch, ran = report.batch, report.ran
    counts = [f"{batch['equal']} equal to the last bit"]
    counts += [f"{batch[what]} {word}" for what, word in (("differing", "not"), ("not_replayed", "not replayed")) if batch[what]]
    found = [
        f"{report.prediction_id}, answered {report.answered_at} by release {report.lineage.release}",
        f"  asked with   {said or 'nothing beside its rows'}",
        *([] if report.routing is None else lines_of_routing(report.routing)),
        f"  found in     {report.source}",
        f"  batch        {batch['rows']} rows, replayed as it was: {', '.join(counts)}",
        *(f"  not known    {what}" for what in batch["not_known"]),
        f"  run by       ONNX Runtime {ran['onnxruntime']}, threads a call: {ran['threads']}, {ran['processor']}",
        *([f"  bits         {report.may_differ}; up to {TOLERANCE:g} is right"] if report.may_differ else []),
        "",
        *_table(["row", "recorded", "replayed", ""], [_row(row) for row in _few(report)]),
        *([f"  and {len(report.rows) - MANY} rows more; ROW=n shows one"] if len(report.rows) > len(_few(report)) else []),
    ]
    if report.log_odds is not None:
        found += ["", f"row {report.explained_row}: log-odds {report.log_odds:.6f}; what they become if a column were unknown"]
        found += _table(
            ["column", "value as it came", "seen as", "log-odds without it", "change"], [_part(p) for p in report.parts]
        )
    for other in report.others:
        found += ["", *_other(other)]
    return [*found, "", *_lineage(report.lineage)]


def lines_of_totals(totals: Totals, what: str) -> list[str]:
    rate = totals.rows / totals.seconds if totals.seconds else 0.0
    return [
        f"{what}: {totals.rows:,} rows of {totals.batches:,} batches in {totals.seconds:.1f} s, {rate:,.0f} rows/s",
        *([f"  of them fallbacks      {totals.fallbacks:,}"] if totals.fallbacks else []),
        *([f"  of them shadows        {totals.shadows:,}"] if totals.shadows else []),
        f"  equal to the last bit  {totals.equal:,}",
        f"  differing              {totals.differing:,}" + (f", by {totals.largest:.3g} at most" if totals.differing else ""),
        *(f"  not replayed           {rows:,}: {why}" for why, rows in totals.not_replayed.most_common()),
        *(f"  bits may differ        {rows:,}: {why}" for why, rows in totals.may_differ.most_common()),
        *([f"  in batches of which not all rows are known  {totals.partial:,}"] if totals.partial else []),
        *(f"  cannot be read         {why}" for why in totals.unread),
        *(
            ["  Batches were joined: some were run joined and alone, with the same bits. What differed was run again as it was."]
            if totals.joined
            else ["  Each batch was run as it was."]
        ),
        *(
            f"  {'wrong' if row['is_fault'] else 'other'}: {row['prediction_id']} row {row['row']}, "
            f"recorded {row['recorded']:.9g}, off by {row['difference']:.3g}, in {row['in']}"
            for row in totals.shown
        ),
    ]


def lines_of_answers(answers: list[Keyed], key: str) -> list[str]:
    rows = [[a.answered_at, a.prediction_id, str(a.row), str(a.release), f"{a.probability:.9g}"] for a in answers]
    return [
        f"{len(answers)} answer{'s' if len(answers) > 1 else ''} with key {key}, the latest first",
        *_table(["answered", "prediction id", "row", "release", "probability"], rows),
        "",
    ]


def _other(other: OtherComputation) -> list[str]:
    what = "computed as a shadow" if other.is_shadow else "computed, and handed on,"
    return [
        f"{what} by release {other.release} at {other.computed_at}, found in {other.source}",
        *([f"  bits         {other.may_differ}; up to {TOLERANCE:g} is right"] if other.may_differ else []),
        *_table(["row", "recorded", "replayed", ""], [_row(row) for row in other.rows[:MANY]]),
        *([f"  and {len(other.rows) - MANY} rows more"] if len(other.rows) > MANY else []),
    ]


def _few(report: ReplayReport) -> list[RowAgain]:
    if len(report.rows) <= MANY:
        return report.rows
    return [row for row in report.rows if row.row < MANY or row.row == report.explained_row or row.is_fault]


def _row(row: RowAgain) -> list[str]:
    if row.replayed is None:
        return [str(row.row), "-" if row.recorded is None else f"{row.recorded:.9g}", "-", f"not replayed: {row.why_not}"]
    verdict = "equal to the last bit" if row.is_equal else f"differs by {row.difference:.3g}"
    return [str(row.row), f"{row.recorded:.9g}", f"{row.replayed:.9g}", f"{verdict}{', which is wrong' if row.is_fault else ''}"]


def _part(part: ColumnPart) -> list[str]:
    value = "-" if part.value is None else f"{part.value:.9g}" if isinstance(part.value, float) else part.value
    value = value if len(value) <= WIDEST else f"{value[: WIDEST - 3]}..."
    return [part.column, value, part.seen_as, f"{part.log_odds_without:.6f}", f"{part.change:+.6f}"]


def _lineage(lineage: Lineage) -> list[str]:
    params = {name: value for name, value in lineage.params.items() if name != "data"}
    named = lineage.params.get("data", {}).get("name")
    return [
        f"release {lineage.release}",
        f"  model        {lineage.model or 'not known'} (sha-256 of its manifest.json)",
        *(f"  file         {digest}  {name}" for name, digest in graph_files(lineage).items()),
        *(f"  data         {digest}  {name}" for name, digest in lineage.data.items()),
        f"  data set     {named}",
        *(f"  parameters   {name}: {json.dumps(value, sort_keys=True)}" for name, value in sorted(params.items())),
        f"  code         {lineage.code or 'not known'} (sha-256 of what exported it)",
        f"  brought by   {in_words(lineage.brought_by)}",
        f"  served since {in_words(lineage.served_by)}",
    ]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Columns of text, aligned."""
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]

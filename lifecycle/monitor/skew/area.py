"""The area `skew`: what the last `make skew` found, which is kept in the monitor's folder."""

import json
from datetime import UTC, datetime
from pathlib import Path

from contracts.files import write_whole
from contracts.lifecycle.monitor import SkewConfig
from lifecycle.monitor.findings import Area, Context, Finding, FindingTable, Looked, Verdict
from lifecycle.monitor.skew.compare import FOLDER, SkewedColumn, SkewReport, skew_from

REPORT = f"{FOLDER}/report.json"
NONE_YET = "no month's file was compared with what was served yet: make skew INPUT=FILE"
NEXT = {
    "unit": "agree with who sends it on the unit, and have one side convert; until then the model reads it wrongly",
    "offset": "have both sides use the same zone or start; until then the model reads it wrongly",
    "missing": "find out why one side does not have it: who fills it, and since when",
    "swapped": "the two are exchanged in a client or in the file's export; correct that side",
}
ANY_NEXT = (
    "find out which side is right from the examples, and correct the other: the model was trained on values as the file has them"
)


def look(context: Context) -> Area:
    report = read_report(context.state)
    return Area(name="skew", notes=[NONE_YET]) if report is None else area_of(report, context.config.skew)


def read_report(state: Path) -> SkewReport | None:
    """Raises ValueError if the file is none of ours."""
    path = state / REPORT
    if not path.is_file():
        return None
    try:
        return skew_from(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be read ({error}); run `make skew` again") from None


def write_report(state: Path, report: SkewReport) -> None:
    (state / REPORT).parent.mkdir(parents=True, exist_ok=True)
    write_whole(state / REPORT, json.dumps(report.as_dict(), allow_nan=False).encode(), synced=True)


def area_of(report: SkewReport, config: SkewConfig) -> Area:
    notes = [summary(report)]
    if report.absent:
        notes.append(f"not compared, because the journal does not have them as they came: {', '.join(report.absent)}")
    if report.rejected:
        rules = ", ".join(f"{rule} ({rows:,})" for rule, rows in list(report.rules.items())[:5])
        notes.append(f"rows of the file that break the contract were not compared: {rules}")
    if report.columns and 2 * sum(one.share > 0.5 for one in report.columns) > len(report.columns):
        notes.append("most columns are different in most rows: the keys of file and answers probably do not mean the same rows")
    findings = [_finding(report, one, config) for one in report.columns if one.different]
    return Area(name="skew", findings=findings, tables=_tables(report), notes=notes)


def summary(report: SkewReport) -> str:
    return (
        f"{report.source}, compared on {_day(report.at_ns)}: {report.rows:,} rows = {report.matched:,} that were answered + "
        f"{report.only_file:,} that were not + {report.rejected:,} that break the contract; {report.only_served:,} more keys "
        f"were answered between {_day(report.first_ns)} and {_day(report.last_ns)}, {report.again:,} answers were given again"
    )


def sentence(one: SkewedColumn) -> str:
    """What is different in a column, and what explains it."""
    where = "" if one.where_column is None else f", only where {one.where_column} is '{one.where_value}'"
    explained = f" in {one.explained:.1%} of them" if one.explained and one.explained < 1 else ""
    rows = f"{one.different:,} of {one.compared:,} rows ({one.share:.2%})"
    return f"{one.name}: different in {rows}{where}; served is {one.text}{explained}"


def _finding(report: SkewReport, one: SkewedColumn, config: SkewConfig) -> Finding:
    verdict: Verdict = "page" if one.share >= config.page else "warning" if one.share >= config.warning else "watch"
    return Finding(
        area="skew", subject=one.name, kind=one.kind, verdict=verdict, effect=one.share, unit="share of rows", chance=None,
        level=None, p_value=None, sentence=sentence(one),
        window=Looked(start_ns=report.first_ns, end_ns=report.last_ns + 1, rows=report.matched),
        next_step=NEXT.get(one.kind, ANY_NEXT),
        evidence={
            "different": one.different, "compared": one.compared, "explained": one.explained, "where_column": one.where_column,
            "where_value": one.where_value, "examples": list(one.examples),
        },
    )  # fmt: skip


def _tables(report: SkewReport) -> list[FindingTable]:
    columns = FindingTable(
        title="The month's file against what was served",
        columns=["column", "rows", "equal", "different", "share", "what it is", "where"],
        rows=[
            [
                one.name, one.compared, one.compared - one.different, one.different, one.share, one.text,
                "" if one.where_column is None else f"{one.where_column} = {one.where_value}",
            ]
            for one in sorted(report.columns, key=lambda one: -one.different)
        ],
    )  # fmt: skip
    names = ["column", "key", "in the file", "served", "answered at", "prediction id", "row"]
    rows = [
        [one.name, row["key"], row["file"], row["served"], row["answered_at"], row["prediction_id"], row["row"]]
        for one in report.columns
        for row in one.examples
    ]
    return [columns, FindingTable(title="Rows that are different", columns=names, rows=rows)] if rows else [columns]


def _day(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 1_000_000_000, UTC):%Y-%m-%d}"

"""The monitor's area "machine": what is used of this machine, which release is where, what the last training took."""

import polars as pl

from contracts.serving.releases import PUBLIC
from lifecycle.monitor.findings import Area, Context, Finding, FindingTable
from lifecycle.monitor.machine.load import load_findings, load_trends
from lifecycle.monitor.machine.processes import processes_table
from lifecycle.monitor.machine.training import training_findings
from lifecycle.monitor.machine.usage import keep, read_history, use_now
from lifecycle.monitor.machine.versions import AnsweredBy, answered_lately, releases_table, route_findings
from serving.releases.store import Store


def look(context: Context) -> Area:
    """Figures of now, held against `monitor.machine`; adds a line to the machine's history."""
    config, notes = context.config.machine, list[str]()
    now = use_now({"journal": context.journal, "releases": context.store, "monitor": context.state}, context.now_ns)
    history = read_history(context.state)
    findings = load_findings(history, now, config, context.now_ns)
    if not any(finding.subject == "cpu" for finding in findings):
        notes.append(f"processors: judged from the second look within {config.span_s:,.0f} s on")
    if not now.gpus:
        notes.append("GPU: nvidia-smi is not here, or fails; nothing is judged")
    keep(context.state, [*history, now], config.keep)
    found, tables = _releases(context, notes)
    try:
        findings += training_findings(config, context.now_ns)
    except ValueError as error:
        notes.append(str(error))
    return Area(
        name="machine",
        findings=[*findings, *found],
        series=load_trends([*history, now][-config.keep :]),
        tables=[*tables, processes_table()],
        notes=notes,
    )


def _releases(context: Context, notes: list[str]) -> tuple[list[Finding], list[FindingTable]]:
    """Nothing while there is no store."""
    if not (context.store / PUBLIC).is_dir():
        return [], []
    store, answered = Store(context.store), dict[int, AnsweredBy]()
    try:
        answered = answered_lately(context.journal, context.now_ns)
    except (OSError, pl.exceptions.PolarsError) as error:  # a file was removed just now, or is damaged
        notes.append(f"who answered last is not known: {' '.join(str(error).split())[:200]}")
    return route_findings(store, context.now_ns), [releases_table(store, answered)]

"""`python -m loadtests.run [SHAPE] [key=value ...]` (`make load`): starts what is needed, puts the server under load, judges.

Writes `reports/load/<shape>/<time>/` (samples, summary.json, report.html, observed.jsonl, logs) and `reports/load.html`. Ends
with code 0 if all thresholds are kept, 1 if not, 130 after Ctrl-C. Nothing that it started is left.
"""

if __name__ == "__main__":  # before matplotlib is imported, and all that takes its time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import signal
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.git_commit import git_revision
from loadtests.observation import facts
from loadtests.observation.observe import Observer
from loadtests.observation.processes import ProcessGroups, family
from loadtests.report.arms import arm_lines
from loadtests.report.page import write_report
from loadtests.routes.watch import WatchedRoute
from loadtests.settings import LoadConfig, as_values, load_settings
from loadtests.users.locust_processes import LocustProcesses, locust_processes, watch
from loadtests.users.prepared_run import PreparedRun, prepared_run
from loadtests.verdicts.arms import judge_arms
from loadtests.verdicts.journalled import journal_checks, journal_counts
from loadtests.verdicts.samples import Recorded, Window, gather, within, write_summary
from loadtests.verdicts.thresholds import Check, RunMeasurement, judge, measure
from serving.entry import run

PAGE, PAGE_OF_RUN = Path("reports/load.html"), "report.html"
OBSERVED_EVERY_S = 1.0
LATE_MS = 5.0  # p99 of how late requests were sent, above which latencies say as much about the load generator


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shape, overrides = arguments(sys.argv[1:])
    config = load_settings(shape, overrides)
    print(f"load: shape {shape}, {config.total_s:g} s after {config.warmup_s:g} s of warm-up", flush=True)
    with prepared_run(config) as prepared:
        return 0 if put_under_load(prepared) else 1


def arguments(argv: list[str]) -> tuple[str, list[str]]:
    """Shape and overrides; the shape is smoke if none is named."""
    named = [argument for argument in argv if "=" not in argument]
    if len(named) > 1:
        raise ValueError(f"expected one shape and then key=value, got {' '.join(argv)}")
    return named[0] if named else "smoke", [argument for argument in argv if "=" in argument]


def put_under_load(prepared: PreparedRun) -> bool:
    """Send, gather, judge and report; are all thresholds kept. A run that is cut short is reported as far as it went."""
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    versions = facts.versions(f"http://{prepared.target.http}")
    written, watch = journal_counts(prepared.target.metrics_url), route_watch(prepared)
    try:
        with watch or nullcontext():
            send(prepared)
    except BaseException as error:
        end_in_order(error)
        ended_s = time.monotonic()
        recorded = gather(prepared.folder)
        window = window_of(prepared.config, recorded, ended_s)
        print(f"load: cut short; what was measured in {window.seconds:.1f} s of {prepared.config.total_s:g}:", flush=True)
        conclude(prepared, recorded, window, completed=False, started_at=started_at, versions=versions, watch=watch)
        raise
    recorded = gather(prepared.folder)
    journal = journal_checks(written, journal_counts(prepared.target.metrics_url), recorded)
    checks = conclude(
        prepared,
        recorded,
        window_of(prepared.config, recorded),
        completed=True,
        started_at=started_at,
        versions=versions,
        journal=journal,
        watch=watch,
    )
    return all(check.met for check in checks)


def end_in_order(error: BaseException) -> None:
    """From now on only end in order: a second Ctrl-C would leave processes behind."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def send(prepared: PreparedRun) -> None:
    with locust_processes(prepared) as sending, observer(prepared, sending):
        watch(prepared, sending)


def route_watch(prepared: PreparedRun) -> WatchedRoute | None:
    """Watches who has to answer; None where the server has no challenger."""
    if prepared.experiment is None:
        return None
    return WatchedRoute(experiment=prepared.experiment, file=prepared.route_file, metrics_url=prepared.target.metrics_url)


def observer(prepared: PreparedRun, sending: LocustProcesses) -> Observer:
    """Watches the server, and all processes that send."""
    groups = ProcessGroups(
        port=prepared.target.config.http_port, clients=lambda: [pid for one in sending.pids() for pid in family(one)]
    )
    return Observer(prepared.target.metrics_url, groups, prepared.folder / "observed.jsonl", OBSERVED_EVERY_S)


def window_of(config: LoadConfig, recorded: Recorded, ended_s: float | None = None) -> Window:
    """From the end of the warm-up to that of the last stage, or to when the run was cut short; in it all processes sent."""
    start_s = recorded.last_s + config.warmup_s
    end_s = recorded.first_s + config.warmup_s + config.total_s
    return Window(start_s=start_s, end_s=end_s if ended_s is None else max(start_s, min(end_s, ended_s)))


def conclude(
    prepared: PreparedRun,
    recorded: Recorded,
    window: Window,
    *,
    completed: bool,
    started_at: str,
    versions: dict[str, str],
    journal: Sequence[Check] = (),
    watch: WatchedRoute | None = None,
) -> list[Check]:
    """Judge, print, write summary and page. Checks of a run that was cut short are printed, too, and no verdict."""
    measured = measure(within(recorded.samples, window), window)
    arms = None if watch is None else judge_arms(recorded.keyed, prepared.keys, watch, window)
    of_arms, lines = ([], []) if arms is None else (arms.checks, arm_lines(arms.facts))
    checks = [*judge(measured, prepared.config.thresholds), *journal, *of_arms] if window.seconds else []
    for line in [*result_lines(measured, recorded, prepared), *lines, *(f"{check}" for check in checks)]:
        print(f"load: {line}", flush=True)
    values: dict[str, Any] = {
        "shape": prepared.config.shape,
        "completed": completed,
        "started_at": started_at,
        "settings": as_values(prepared.config),
        "thresholds": [check.as_values() for check in checks],
        "counts": measured.counts,
        "figures": measured.figures(),
        "rows_per_s": measured.rows_per_s if window.seconds else None,
        "requests_per_s": measured.requests_per_s if window.seconds else None,
        "reasons": recorded.reasons,
        "model_versions": recorded.versions,
        "versions": versions,
        "machine": facts.machine(),
        "revision": git_revision(),
    }
    values |= {} if arms is None else {"arms": arms.facts}
    write_summary(prepared.folder, window, values)
    write_report(prepared.folder, prepared.folder / PAGE_OF_RUN, PAGE)
    missed = [check.name for check in checks if not check.met]
    verdict = f"MISSED {', '.join(missed)}; " if missed else f"all {len(checks)} thresholds are kept; "
    print(f"load: {verdict if completed else ''}page: {PAGE}, samples and logs: {prepared.folder}", flush=True)
    return checks


def result_lines(measured: RunMeasurement, recorded: Recorded, prepared: PreparedRun) -> list[str]:
    """What to say beside the checks."""
    counted = ", ".join(f"{number:,} {name}" for name, number in measured.counts.items() if number)
    lines = [f"{measured.num_requests:,} requests: {counted or 'none'}"]
    if measured.window.seconds:
        lines[0] += f"; {measured.requests_per_s:,.0f} requests/s, {measured.rows_per_s:,.0f} rows/s"
    lines += [f"  {number:,} times {reason}" for reason, number in [*recorded.reasons.items()][:5]]
    if set(recorded.versions) - {prepared.plan.version, prepared.plan.challenger}:
        answered = ", ".join(f"version {version} {number:,}" for version, number in recorded.versions.items())
        lines.append(f"the model was replaced during the run ({answered}): of the others only shape and range were judged")
    late = measured.lateness["p99_ms"]
    if prepared.config.open_loop and late.ms is not None:
        lines.append(f"requests were sent late by {measured.lateness['p50_ms']}, {late}")
        if late.ms > LATE_MS:
            lines.append("that is the load generator's own delay and part of the latencies; more processes, or a lower rate")
    return lines


if __name__ == "__main__":
    run("load", main)

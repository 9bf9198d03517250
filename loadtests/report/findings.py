"""What the load report says in sentences: the verdict, and what a reader must know before believing a figure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from loadtests.observation.observed import Observations
from loadtests.report.measured import Sending
from loadtests.report.server import SATURATED_CORES, Saturation
from loadtests.report.wording import count, duration, ms, number, percent
from loadtests.verdicts.latency import CONFIDENCE_Z, Quantile
from loadtests.verdicts.samples import OUTCOMES, Window

LATE_MS, LATE_SHARE = 1.0, 0.1  # sends later than both this and this share of the latency change what is measured
STOLEN_SHARE, FULL_SHARE = 0.02, 0.95  # of the machine's cores
FULL_LOOKS = 0.05  # share of looks at which the machine may be full without being mentioned
BAD = ("wrong", "answered_malformed", "failed", "unknown", "unsent")
PASSED, BROKEN, OPEN = "passed", "failed", "not judged"


@dataclass(frozen=True, kw_only=True)
class RunVerdict:
    word: str  # PASSED, BROKEN or OPEN
    sentence: str


def verdict(checks: list[Mapping[str, Any]], completed: bool) -> RunVerdict:
    """From the thresholds' own verdicts: a run that was cut short, or in which one could not be told, has not passed."""
    broken, untold = ([threshold_name(one["name"]) for one in checks if one["met"] is met] for met in (False, None))
    if not completed:
        until = f" Broken until then: {', '.join(broken)}." if broken else ""
        return RunVerdict(word=OPEN, sentence=f"The run was cut short.{until}")
    if not checks:
        return RunVerdict(word=OPEN, sentence="No threshold was given, so nothing was judged.")
    if broken:
        return RunVerdict(
            word=BROKEN, sentence=f"Thresholds that were broken, {len(broken)} of {len(checks)}: {', '.join(broken)}."
        )
    if untold:
        return RunVerdict(
            word=OPEN, sentence=f"Thresholds that could not be judged, {len(untold)} of {len(checks)}: {', '.join(untold)}."
        )
    return RunVerdict(word=PASSED, sentence=f"Thresholds that were kept: all {len(checks)}.")


def threshold_name(name: str) -> str:
    """p99 for p99_ms, rows a second for rows_per_s."""
    return name.replace("_per_s", " a second").removesuffix("_ms").replace("_", " ")


def share_interval(hits: int, total: int) -> tuple[float, float] | None:
    """95 % confidence interval of a share (Wilson 1927); None of nothing."""
    if not total:
        return None
    z2, share = CONFIDENCE_Z**2, hits / total
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = CONFIDENCE_Z / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return (0.0 if hits == 0 else middle - half, 1.0 if hits == total else middle + half)


def cautions(
    samples: np.ndarray, sent: Sending, p50: Quantile, observed: Observations, saturation: Saturation, completed: bool
) -> list[str]:
    """Reasons not to take the figures at their face value, the gravest first."""
    found = []
    if not completed:
        found.append("The run was cut short: the figures are of what was recorded until then.")
    if sent.num_not_sent:
        share = percent(sent.num_not_sent / len(samples))
        found.append(
            f"{count(sent.num_not_sent)} of {count(len(samples))} requests that were due ({share}) were not sent, because the "
            "load generator had no room or no time: the server met less load than was intended, and the latency of those is in "
            "no figure."
        )
    if saturation.saturated:
        found.append(
            f"The load generator was saturated at {saturation.saturated} of {saturation.looks} looks: a process of it used "
            f"{100 * SATURATED_CORES:.0f} % of a core or more ({number(saturation.peak_cores)} at most). Latencies then include "
            "the time that requests and answers waited in the client itself."
        )
    late = sent.late_ms[1]
    if late.ms is not None and late.ms > LATE_MS and p50.ms is not None and late.ms > LATE_SHARE * p50.ms:
        found.append(
            f"One request in a hundred was sent {ms(late.ms)} or more after it was due; the median latency is {ms(p50.ms)}. "
            "The delay is counted in the latency, and it is the load generator's."
        )
    bad = samples[np.isin(samples["outcome"], [OUTCOMES.index(name) for name in BAD])]
    overloaded = int((samples["outcome"] == OUTCOMES.index("overloaded")).sum())
    if len(samples) and (len(bad) or overloaded):
        parts = [f"{count(len(bad))} had no right answer"] * bool(len(bad))
        parts += [f"{count(overloaded)} were turned away by the full queue"] * bool(overloaded)
        found.append(f"Of {count(len(samples))} requests {' and '.join(parts)}. Latencies are those of good answers only.")
    return found + watching(observed, saturation)


def watching(observed: Observations, saturation: Saturation) -> list[str]:
    """What the observer could not see, and what it saw of others."""
    found = []
    failed = observed.missing.filter(pl.col("what") == "metrics")
    if observed.metrics.is_empty():
        reason = f" ({failed['reason'][0]})" if len(failed) else ""
        found.append(f"The server's metrics were not observed{reason}.")
    elif len(failed):
        found.append(f"The server's metrics could not be read {len(failed)} times ({failed['reason'][0]}).")
    unseen = sorted(set(observed.missing["what"]) - {"metrics", "processes"} - set(observed.processes["group"]))
    if unseen:
        found.append(f"Not observed, because not found or not permitted: {', '.join(unseen)}.")
    if not saturation.looks:
        found.append("The load generator's CPU time was not observed, so that nobody knows whether it was saturated.")
    stolen, cores = observed.machine["stolen_cores"].mean(), observed.machine["cores"].max()
    full = observed.machine.filter(pl.col("busy_cores") >= FULL_SHARE * pl.col("cores"))
    if len(full) > FULL_LOOKS * len(observed.machine):
        busy, ours = (
            observed.machine["busy_cores"].mean(),
            observed.processes["gain_s"].sum() / observed.machine["elapsed_s"].sum(),
        )
        found.append(
            f"The machine had no core to spare at {len(full)} of {len(observed.machine)} looks: what ran on its {cores} cores, "
            f"server, load generator and others, took time from each other. Of {number(busy)} busy cores on average, "
            f"{number(max(busy - ours, 0.0))} were used by other programs."
        )
    if stolen is not None and stolen > STOLEN_SHARE * cores:
        found.append(f"The machine's host took {number(stolen)} of {cores} cores away on average (steal time).")
    return found


def summary(samples: np.ndarray, window: Window, sent: Sending, shown_models: pl.DataFrame, saturation: Saturation) -> list[str]:
    """The run in a few sentences."""
    ok = samples[samples["outcome"] == OUTCOMES.index("ok")]
    inside = ok[ok["done_s"] < window.end_s]
    seconds = window.seconds
    found = [
        f"{count(len(samples))} requests were due within {duration(seconds)}; {count(len(ok))} were answered well, "
        f"{number(len(inside) / seconds)} requests and {count(inside['rows'].sum() / seconds)} rows a second."
    ]
    if sent.max_late_ms == 0:
        found.append(
            "Users waited for an answer before they asked again: a server that is slow is asked less, and the latencies know "
            "nothing of requests that were not made meanwhile."
        )
    elif sent.late_ms[1].ms is not None:
        found.append(
            f"Requests left {ms(sent.late_ms[0].ms)} (p50) and {ms(sent.late_ms[1].ms)} (p99) after they were due, "
            f"{ms(sent.max_late_ms)} at most; {count(sent.num_not_sent)} were not sent."
        )
    if len(shown_models):
        busiest = shown_models.row(0, named=True)
        if len(ok) and busiest["request_ms"] is not None:
            mean_ms = float(((ok["done_s"] - ok["intended_s"]) * 1e3).mean())
            found.append(
                f"Of {ms(mean_ms)} that a good answer took on average, Triton counts {ms(busiest['request_ms'])} for model "
                f"{busiest['model']}, {ms(busiest['queue_ms'])} of it in the queue; the rest is network, protocol and client."
            )
    if saturation.looks and not saturation.saturated:
        found.append(
            "No process of the load generator was at its own limit: "
            f"the busiest used {number(saturation.peak_cores)} of a core at most."
        )
    return found

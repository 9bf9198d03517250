"""Gathers what the page about a load run shows: figures, tables, sentences."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from loadtests.observation.observed import Observations
from loadtests.report import findings, plots, server
from loadtests.report.arms import arm_rows, arm_sentences
from loadtests.report.before import Comparison
from loadtests.report.measured import SHOWN, Part, good, latency_ms, over_time, part, parts, sending
from loadtests.report.run import LoadRun
from loadtests.report.wording import count, figure, flat, ms, number, percent, percentile
from loadtests.requests.prepared_request import KINDS
from loadtests.verdicts.latency import quantile
from loadtests.verdicts.samples import OUTCOMES, Window

ARMS_CHAPTER = ("arms", "Two arms")  # only where the server had a challenger
CHAPTERS = (
    ("verdict", "Verdict"),
    ("before", "The run before"),
    ("time", "Over time"),
    ("latency", "Latency, at the client"),
    ("outcomes", "Outcomes, at the client"),
    ARMS_CHAPTER,
    ("server", "Inside the server"),
    ("processes", "CPU and memory"),
    ("setup", "Machine, versions, settings"),
)
OUTCOME_MEANING = {
    "ok": "answered, and with the probabilities that the model gives these rows",
    "wrong": "answered, but not with what the model says",
    "refused": "malformed on purpose, and told so",
    "answered_malformed": "malformed on purpose, and answered all the same",
    "overloaded": "the server's bounded queue had no room, or no time",
    "failed": "an error, or no answer in time",
    "unknown": "still under way when the run ended",
    "unsent": "due, but the load generator had no room or no time to send it",
}

NOT_SHOWN = ("thresholds", "host")  # of the settings: the former have their table, the latter is nobody's business
CSS = {findings.PASSED: "passed", findings.BROKEN: "broken", findings.OPEN: "open"}
WORDS = {True: findings.PASSED, False: findings.BROKEN, None: findings.OPEN}
KEPT = {True: "kept", False: "broken", None: "not judged"}


def page_context(run: LoadRun, observations: Observations, before: Comparison | None = None) -> dict[str, Any]:
    """What the template shows. Of a run without samples there are no figures, and the page says so."""
    samples, window = run.samples, run.window
    answered, sent = good(samples), sending(samples)
    seen = server.during(observations, window.start_s, over_s(run))
    asked, saturation = server.models(seen.metrics), server.client_saturation(seen.processes)
    p50 = quantile(latency_ms(answered), 0.5)
    verdict = findings.verdict(run.checks, run.completed)
    return {
        "chapters": [chapter for chapter in CHAPTERS if run.arms is not None or chapter != ARMS_CHAPTER],
        "arms": None if run.arms is None else {"rows": arm_rows(run.arms), "sentences": arm_sentences(run.arms)},
        "run": run,
        "begun": run.started_at.replace("T", " ").replace("+00:00", " UTC"),
        "seconds": window.seconds,
        "verdict": verdict,
        "css_class": CSS[verdict.word],
        "checks": [check_row(check) for check in run.checks],
        "before": before,
        "tiles": tiles(run, answered),
        "summary": findings.summary(samples, window, sent, asked, saturation) if len(samples) else [],
        "cautions": findings.cautions(samples, sent, p50, seen, saturation, run.completed),
        "figures": figures(run, answered, seen, asked),
        "quantiles": SHOWN,
        "latency_groups": {
            "": [part("all", answered, window.seconds)],
            "Stage": stage_parts(run, answered),
            **parts(answered, window.seconds),
        },
        "outcomes": outcomes(samples, window),
        "sending": sent,
        "models": asked.to_dicts(),
        "counted": server.counted(seen.metrics).to_dicts(),
        "groups": groups(seen, answered),
        "memory_kind": "PSS" if seen.processes["pss_mib"].count() else "RSS",
        "saturation": saturation,
        "saturated_percent": round(100 * server.SATURATED_CORES),
        "settings": flat({name: value for name, value in run.settings.items() if name not in NOT_SHOWN}),
    }


def check_row(check: Mapping[str, Any]) -> dict[str, str]:
    """A threshold as shown: shares in percent, names without their unit."""
    name, low, high = check["name"], check.get("low"), check.get("high")
    unit = partial(figure, name)
    return {
        "name": findings.threshold_name(name),
        "measured": unit(check["measured"]),
        "interval": "" if low is None or high is None else f"{unit(low).removesuffix(' ms')} to {unit(high)}",
        "limit": f"{'at least' if check.get('at_least') else 'at most'} {unit(check['limit'])}",
        "verdict": KEPT[check["met"]],
        "css_class": CSS[WORDS[check["met"]]],
        "reason": check.get("reason") or "",
    }


def tiles(run: LoadRun, answered: np.ndarray) -> list[dict[str, str]]:
    """The numbers at the top of the page."""
    seconds, found = run.window.seconds, []
    if not len(run.samples) or not seconds:
        return found
    inside = answered[answered["done_s"] < run.window.end_s]
    rows = f"{count(inside['rows'].sum() / seconds)} rows a second"
    found.append(tile("Good answers", f"{number(len(inside) / seconds)}/s", rows))
    for q in (0.5, 0.99):
        one = quantile(latency_ms(answered), q)
        note = "not claimed: too few" if one.ms is None else f"{number(one.low_ms)} to {ms(one.high_ms)}"
        found.append(tile(f"Latency, {percentile(q)}", ms(one.ms), note))
    bad = int(np.isin(run.samples["outcome"], [OUTCOMES.index(name) for name in findings.BAD]).sum())
    low, high = findings.share_interval(bad, len(run.samples))
    found.append(tile("Not answered well", percent(bad / len(run.samples)), f"{percent(low)} to {percent(high)}"))
    full = int((run.samples["outcome"] == OUTCOMES.index("overloaded")).sum())
    found.append(tile("Queue full", percent(full / len(run.samples)), f"{count(full)} requests"))
    return found


def tile(name: str, value: str, note: str) -> dict[str, str]:
    return {"name": name, "value": value, "note": note}


def over_s(run: LoadRun) -> float:
    """When all requests of the window had ended; the server answers the last of them after it."""
    done_s = run.samples["done_s"]
    return max(run.window.end_s, float(done_s[np.isfinite(done_s)].max(initial=-np.inf)))


def outcomes(samples: np.ndarray, window: Window) -> list[dict[str, Any]]:
    """One row for each outcome that there was, with its latency."""
    found = []
    for place, name in enumerate(OUTCOMES):
        some = samples[samples["outcome"] == place]
        low_high = findings.share_interval(len(some), len(samples))
        if len(some):
            share = {"share": percent(len(some) / len(samples)), "interval": " to ".join(percent(end) for end in low_high)}
            meaning = {"name": name.replace("_", " "), "meaning": OUTCOME_MEANING[name]}
            timed = part(name, some[:0] if name == "unsent" else some, window.seconds)
            found.append({**meaning, "number": len(some), **share, "quantiles": (timed.quantiles[0], timed.quantiles[3])})
    return found


def stages(run: LoadRun) -> list[tuple[float, str]]:
    """When each stage of the load began, seconds since the window's start, and its load."""
    found, begin_s = [], 0.0
    for stage in run.settings.get("stages", []):
        name = f"{stage['users']} users" if stage.get("users") is not None else f"{number(stage.get('rate'))}/s"
        found.append((begin_s, "1 user" if name == "1 users" else name))
        begin_s += stage["seconds"]
    return found


def stage_parts(run: LoadRun, answered: np.ndarray) -> list[Part]:
    """Good answers by the stage in which they were due; nothing if there is one stage."""
    begins = stages(run)
    if len(begins) < 2:
        return []
    ends = [begin for begin, _ in begins[1:]] + [run.window.seconds]
    seconds_R = answered["intended_s"] - run.window.start_s
    return [
        part(f"{place}: {name}", answered[(seconds_R >= begin) & (seconds_R < end)], end - begin)
        for place, ((begin, name), end) in enumerate(zip(begins, ends, strict=True), start=1)
        if end > begin  # a run that was cut short did not get to the others
    ]


def figures(run: LoadRun, answered: np.ndarray, seen: Observations, asked: pl.DataFrame) -> dict[str, str | None]:
    """data: URIs; None where there is nothing to draw."""
    found = dict.fromkeys(("load", "percentiles", "histogram", "server", "processes"))
    if not len(run.samples):
        return found
    steps, start_s = over_time(run.samples, run.window), run.window.start_s
    begins, ends = stages(run), (0.0, over_s(run) - start_s)
    limits, inside = limits_of(run), None
    if len(asked):
        model = asked["model"][0]
        inside = server.model_over_time(seen.metrics, model, start_s, steps.step_s)
        found["server"] = plots.plot_server(model, inside, begins, ends)
    found["load"] = plots.plot_load(steps, begins, ends, limits, inside)
    if len(answered):
        by_kind = {KINDS[kind]: latency_ms(answered[answered["kind"] == kind]) for kind in np.unique(answered["kind"])}
        shown = {"all": latency_ms(answered), **by_kind} if len(by_kind) > 1 else by_kind
        found["percentiles"] = plots.plot_percentiles(shown, limits)
        found["histogram"] = plots.plot_histogram(by_kind)
    if len(seen.processes):
        machine = seen.machine.with_columns(seconds=pl.col("at_s") - start_s)
        cores = server.groups_over_time(seen.processes, start_s, steps.step_s)
        found["processes"] = plots.plot_processes(cores, machine, begins, ends)
    return found


def limits_of(run: LoadRun) -> dict[str, float]:
    """The thresholds of the run by name: what the figures draw beside what was measured."""
    return {check["name"]: check["limit"] for check in run.checks}


def groups(seen: Observations, answered: np.ndarray) -> list[dict[str, Any]]:
    """The processes' table, with the CPU time that a good answer cost in each group."""
    found = server.groups(seen.processes).to_dicts()
    return [row | {"cpu_ms": 1e3 * row["cpu_s"] / len(answered) if len(answered) else None} for row in found]

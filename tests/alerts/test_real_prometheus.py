"""A real Prometheus that has scraped a real served model, the journal, the monitor and the machine for a few seconds."""

import json
import threading
from pathlib import Path

import polars as pl
import pytest

from contracts.clock import clock
from lifecycle.alerts.metrics import MonitorMetrics
from lifecycle.feedback.labels import FeedState
from lifecycle.journal.metrics import JournalMetrics, told_at
from lifecycle.journal.served import only_one, serve_segment, waiting
from serving.journal.folder import kept_journal
from serving.server.ports import free_ports
from tests.alerts.alert_world import found, report
from tests.alerts.known_families import NAME, NODE, TRITON, alerts, panel_expressions, rules, served_families
from tests.alerts.prometheus_world import node_exporter, prometheus, short_folder
from tests.serving.doors import over_grpc, packed
from tests.serving.journal.journalled import journal_config
from tests.serving.metrics import scrape
from tests.serving.served_world import exported_with, serving, wait_for
from tests.serving.strict_world import STRICT_LIMITS

pytestmark = [pytest.mark.triton, pytest.mark.services]
KNOWN = {"site": "site 1", "device": "device 0", "ad": 1, "view": 5, "mobile": True, "age": 40.0, "visits": 3, "spent": 1.0}
ROWS = [{}, {"site": "a new one"}, {"age": None}]
AFTER_EVENTS = {  # families that are there only once it happened, and what it takes
    "adclick_requests_total",  # the outcomes that are ours: a request that failed
    "adclick_route_info",  # a route
    "adclick_challenger_open",
    "adclick_fallback_total",
    "adclick_guard_trips_total",
    "adclick_shadow_total",
    "adclick_routed_total",
    "adclick_journal_images_lost_total",
}
ELSEWHERE = "DCGM_"  # a GPU's
EXPECTED = {"AdclickModelWarning", "AdclickManyRefused"}  # what the monitor is told here, and one request in four
FIRED_S = 240  # an alert needs a hundred requests, which a busy machine answers slowly


@pytest.fixture(scope="module")
def watched(strict_exported, strict_spec, tmp_path_factory):
    """Prometheus, four looks after traffic began; it has the rules without their waits."""
    folder = tmp_path_factory.mktemp("watched")
    repository = exported_with(strict_exported, folder / "repository", **STRICT_LIMITS)
    stopped = threading.Event()
    with (
        short_folder() as short,
        kept_journal(journal_config(folder / "journal")) as journal,
        serving(folder, repository, journal=journal) as server,
        node_exporter(short) as node_port,
    ):
        ports = dict(zip(("journal", "monitor"), free_ports(2), strict=True))
        targets = {"triton": server.config.metrics_port, "node": node_port, **ports}
        with told_at(journal_metrics(folder / "journal"), ports["journal"]), told_at(monitor_metrics(), ports["monitor"]):
            asking = threading.Thread(target=keep_asking, args=(server, strict_spec, stopped))
            asking.start()
            try:
                with prometheus(short, targets, waits=False) as asked:
                    enough = "min(count_over_time(up[5m])) >= 4 and count(up == 1) == 4 and count(adclick:slow:bool) == 1"
                    wait_for(lambda: asked.query(enough), 120, "four looks at four programs")
                    yield asked, server
            finally:
                stopped.set()
                asking.join()


def keep_asking(server, spec, stopped: threading.Event) -> None:
    """Requests that are answered, and one in four that is refused, until it is stopped."""
    rows = pl.DataFrame([KNOWN | {"constant": 1.0} | change for change in ROWS])
    broken = rows.with_columns(age=pl.lit(-1e9))
    for sent in iter(lambda: stopped.wait(0.1), True):
        assert not sent
        for table in (rows, rows, rows, broken):
            over_grpc(server, packed(table, spec, None), "ctr")


def journal_metrics(folder: Path) -> JournalMetrics:
    with only_one(folder):
        for path in waiting(folder):
            serve_segment(folder, path)
    metrics = JournalMetrics()
    metrics.looked(folder, 1.0, clock().now())
    return metrics


def monitor_metrics() -> MonitorMetrics:
    metrics = MonitorMetrics()
    training = found(subject="training", kind="time", area="machine", verdict="ok", effect=0.4, unit="share of the budget")
    feed = FeedState(at_ns=10**18, watermark_ns=10**18, waiting=3, oldest_waiting_ns=10**18, matched=9, rejected=1)
    metrics.looked(report(found(), training), 0.7, feed, {"warning": 1})
    return metrics


def test_every_panel_and_every_alert_gives_series_or_waits_for_an_event(watched):
    asked, _ = watched
    recorded = {rule["record"]: rule["expr"] for file in rules().values() for rule in file if "record" in rule}
    silent = {}
    for expr in panel_expressions():
        if expr.startswith("ALERTS") or asked.query(expr):
            continue
        whole = recorded.get(expr, expr)
        if not {name for name in NAME.findall(whole) if name in AFTER_EVENTS or name.startswith(ELSEWHERE)}:
            silent[expr] = "no series"
    assert silent == {}
    for rule in alerts().values():
        asked.query(rule["expr"])  # it is accepted


def test_most_panels_do_give_series(watched):
    asked, _ = watched
    expressions = panel_expressions()
    given = [expr for expr in expressions if asked.query(expr)]
    assert len(given) >= 0.7 * len(expressions), sorted({*expressions} - {*given})


def test_what_is_asked_of_others_is_there(watched):
    asked, server = watched
    for name in sorted(TRITON | NODE):
        assert asked.query(name), name
    scraped = {name for name, _ in scrape(server).values if name.startswith("adclick_")}
    assert scraped <= served_families()


def test_rules_are_healthy_and_a_served_model_fires_none_of_the_servers_alerts(watched):
    asked, _ = watched
    groups = asked.get("/api/v1/rules")["data"]["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
    busy = {"AdclickDisk", "AdclickDiskSoonFull", "AdclickMemory", "AdclickProcessors", "AdclickLatencyPage"}  # a machine's

    def firing() -> set[str]:
        return {one["metric"]["alertname"] for one in asked.query('ALERTS{alertstate="firing"}')} - busy

    wait_for(lambda: firing() >= EXPECTED, FIRED_S, f"{json.dumps(sorted(EXPECTED))} fire")
    assert firing() == EXPECTED

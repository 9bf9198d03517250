"""`python -m lifecycle.monitor`: what is served, held against what it should be (docs/monitoring.md)."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import json
import signal
import sys
import threading
import time
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from contracts.clock import clock
from contracts.dataset.config_errors import describe
from contracts.dataset.declaration import Declaration
from contracts.lifecycle.feedback import FeedbackConfig
from contracts.lifecycle.monitor import MonitorConfig
from contracts.overrides import read_overrides
from contracts.serving.releases import PUBLIC
from lifecycle.alerts.metrics import MonitorMetrics
from lifecycle.alerts.notify import open_by_severity
from lifecycle.alerts.own import held_beside
from lifecycle.feedback.labels import read_state
from lifecycle.journal.metrics import told_at
from lifecycle.monitor.findings import Context, MonitorReport
from lifecycle.monitor.run import PAGE, lines_of, look_once, only_monitor
from serving.entry import run
from serving.releases.store import Store
from serving.server.settings import load_journal_config, load_server_config


def main() -> int:
    args = parse(sys.argv[1:])
    context = context_of(args)
    with only_monitor(context.state):
        code = follow(args) if args.follow else show(look_once(context, args.page))
    return 0 if args.exit_0 else code


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lifecycle.monitor", description="What is served, held against what it should be."
    )
    parser.add_argument("--folder", type=Path, help="of the journal (default: serving.journal.folder)")
    parser.add_argument("--store", type=Path, help="of the releases (default: serving.server.store)")
    parser.add_argument("--feedback", type=Path, help="folder of the labels (default: feedback.folder)")
    parser.add_argument("--state", type=Path, help="where windows, state and alerts are kept (default: monitor.folder)")
    parser.add_argument("--page", type=Path, default=PAGE, help=f"where the page is written (default: {PAGE})")
    parser.add_argument("--follow", action="store_true", help="look again every monitor.every_s seconds, until it is stopped")
    parser.add_argument("--metrics-port", type=int, help="with --follow: where Prometheus asks, on loopback")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting that counts instead")
    parser.add_argument("--exit-0", action="store_true", help="end with 0 whatever was found; 1 only for an error")
    args = parser.parse_args(argv)
    args.settings = read_overrides(args.set, ("serving.journal", "serving.server", "feedback", "monitor"))
    if args.metrics_port is not None and not args.follow:
        raise ValueError("--metrics-port goes with --follow")
    return args


def context_of(args: argparse.Namespace) -> Context:
    """What the areas may read, at this time."""
    journal, settings = args.folder, args.settings
    if journal is None:
        configured = load_journal_config(overrides=settings.of("serving.journal"))
        if configured is None:
            raise ValueError("no journal is configured; name its folder: python -m lifecycle.monitor --folder FOLDER")
        journal = Path(configured.folder)
    config, feed = settings.section("monitor", MonitorConfig), settings.section("feedback", FeedbackConfig)
    store = args.store or Path(load_server_config(**settings.of("serving.server")).store)
    return Context(
        declaration=declaration_of(store),
        config=config,
        journal=journal,
        feedback=args.feedback or Path(feed.folder),
        store=store,
        state=args.state or Path(config.folder),
        now_ns=clock().now_ns(),
        feed=feed,
    )


def declaration_of(store: Path) -> Declaration:
    """Of the release that is served; raises ValueError if there is none."""
    active = Store(store).active()
    if active is None:
        raise ValueError(f"{store} has no release that is served; `make serve` brings one in")
    path = store / PUBLIC / str(active) / "declaration.json"
    try:
        return TypeAdapter(Declaration).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ValueError(describe(error, str(path), Declaration)) from None


def show(report: MonitorReport) -> int:
    """Print the report; the exit code: 1 if there is something that cannot wait."""
    print("\n".join(lines_of(report)))
    pages = [finding for finding in report.findings if finding.verdict == "page"]
    if pages:
        print(f"monitor: {pages[0].sentence}" + (f"; {len(pages) - 1} more" if len(pages) > 1 else ""), file=sys.stderr)
    return int(bool(pages))


def follow(args: argparse.Namespace) -> int:
    """Look until it is stopped; a look that fails is told, and the next one comes all the same."""
    stopped, code = threading.Event(), 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    every_s = args.settings.section("monitor", MonitorConfig).every_s / clock().rate
    metrics = MonitorMetrics()
    with told_at(metrics, args.metrics_port):
        while not stopped.is_set():
            try:
                code = show(measured(context_of(args), args.page, metrics))
            except (ValueError, OSError) as error:
                metrics.failed()
                print(f"monitor: error: {' '.join(str(error).split())}", file=sys.stderr)
            stopped.wait(every_s)
    return code


def measured(context: Context, page: Path, metrics: MonitorMetrics) -> MonitorReport:
    """A look that Prometheus is told of."""
    began = time.monotonic()
    report = look_once(context, page)
    feed, state = read_state(context.feedback), context.state
    metrics.looked(report, time.monotonic() - began, feed, open_by_severity(state), held_beside(state))
    return report


if __name__ == "__main__":
    run("monitor", main)

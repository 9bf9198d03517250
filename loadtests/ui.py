"""`python -m loadtests.ui [SHAPE] [key=value ...]` (`make load-ui`): Locust's own page, with the same users and stages.

The load begins when somebody presses Start, as often as they do. Each run is judged and reported as `make load` does it, in a
folder of its own; one that is stopped early is reported as far as it went. Ctrl-C ends all that was started.
"""

if __name__ == "__main__":  # before matplotlib is imported, and all that takes its time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import shutil
import signal
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime

import urllib3
from urllib3.exceptions import HTTPError

from loadtests.observation import facts
from loadtests.routes.watch import WatchedRoute
from loadtests.run import arguments, conclude, end_in_order, observer, route_watch, window_of
from loadtests.settings import load_settings
from loadtests.users.locust_processes import LocustProcesses, locust_processes
from loadtests.users.plan import PLAN
from loadtests.users.prepared_run import PreparedRun, new_run_folder, prepared_run
from loadtests.verdicts.journalled import journal_checks, journal_counts
from loadtests.verdicts.samples import gather
from serving.entry import run
from serving.server.ports import refuse_busy_ports

HOST, PORT = "127.0.0.1", 8089
PAGE_URL = f"http://{HOST}:{PORT}"
SENDING = ("spawning", "running", "cleanup", "stopping")  # states of Locust; a run is over when none of them is left
POLL_S = 0.2
UP_WITHIN_S = 30.0


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shape, overrides = arguments(sys.argv[1:])
    config = load_settings(shape, overrides)
    refuse_busy_ports(HOST, {"Locust's page": PORT})
    with prepared_run(config) as prepared, locust_processes(prepared, web_port=PORT) as sending:
        wait_up(sending)
        print(f"load-ui: {PAGE_URL}, shape {shape}: press Start; Ctrl-C ends it", flush=True)
        while judge_next_run(prepared, sending):
            pass


def judge_next_run(prepared: PreparedRun, sending: LocustProcesses) -> bool:
    """Wait for a run and judge it; False if Locust has ended. Who has to answer, and what the journal has, is looked at
    from before it begins.
    """
    watch, written = route_watch(prepared), journal_counts(prepared.target.metrics_url)
    with watch or nullcontext():
        if not wait_for_state(sending, begun=True):
            return False
        judge_run(prepared, sending, watch, written)
    return True


def judge_run(
    prepared: PreparedRun,
    sending: LocustProcesses,
    watch: WatchedRoute | None = None,
    written: dict[str, float] | None = None,
) -> None:
    """Watch the run that has begun until it is over, also if that is because all ends, and conclude it as `make load` does.

    `written`: what the journal had before it.
    """
    print("load-ui: a run has begun", flush=True)
    own = replace(prepared, folder=new_run_folder(prepared.config.shape))
    shutil.copy(prepared.folder / PLAN, own.folder / PLAN)
    started_at, versions = datetime.now(UTC).isoformat(timespec="seconds"), facts.versions(f"http://{prepared.target.http}")
    ended_s = None
    try:
        with observer(own, sending):
            wait_for_state(sending, begun=False)
            ended_s = time.monotonic()  # the observer takes a second to end
    except BaseException as error:
        end_in_order(error)
        raise
    finally:
        ended_s = ended_s or time.monotonic()
        if watch is not None:
            watch.finish()
        report(own, prepared, started_at, versions, ended_s, watch, written)


def report(
    own: PreparedRun,
    prepared: PreparedRun,
    started_at: str,
    versions: dict[str, str],
    ended_s: float,
    watch: WatchedRoute | None = None,
    written: dict[str, float] | None = None,
) -> None:
    """Move what the processes recorded into the run's own folder, judge it, write summary and page.

    `ended_s`: when nothing was sent any more, by the monotonic clock.
    """
    recorded = gather(prepared.folder, own.folder)
    whole = window_of(own.config, recorded)
    window = window_of(own.config, recorded, ended_s)
    completed = window.end_s >= whole.end_s
    if not completed:
        print(f"load: cut short; what was measured in {window.seconds:.1f} s of {own.config.total_s:g}:", flush=True)
    journal = journal_checks(written, journal_counts(prepared.target.metrics_url), recorded)
    conclude(own, recorded, window, completed=completed, started_at=started_at, versions=versions, journal=journal, watch=watch)


def wait_for_state(sending: LocustProcesses, *, begun: bool) -> bool:
    """True once a run has begun, or is over; False if Locust has ended. Raises ValueError if a process ended by itself."""
    while sending.running():
        if (state() in SENDING) == begun:
            return True
        time.sleep(POLL_S)
    return False


def state() -> str:
    """What Locust's page says it does; empty if it does not answer."""
    try:
        with urllib3.PoolManager(timeout=2.0, retries=False) as pool:
            return str(pool.request("GET", f"{PAGE_URL}/stats/requests").json()["state"])
    except (HTTPError, ValueError, KeyError, TypeError):
        return ""


def wait_up(sending: LocustProcesses) -> None:
    """Raises ValueError if the page does not come."""
    deadline_s = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < deadline_s and sending.running():
        if state():
            return
        time.sleep(POLL_S)
    raise ValueError(f"Locust's page did not come within {UP_WITHIN_S:g} s; logs: {sending.folder}")


if __name__ == "__main__":
    run("load-ui", main)

"""Runs the jobs: all of them once, or each at its own times until it is told to stop. One that fails is told, and comes again."""

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from contracts.clock import clock
from contracts.lifecycle.retraining import LoopConfig
from lifecycle.alerts.own import OwnAlert, tell
from lifecycle.loop.jobs import LoopJob
from lifecycle.loop.running import RUNNING, JobRun, run_job
from lifecycle.loop.status import LoopStatus, read_status, show_line
from lifecycle.sessions import end_noted

APART_S = 1.0  # between the first runs of two jobs, so that each finds what the one before it has written
SHORTEST_S = 0.2  # of the machine between two runs, whatever the clock
LINE_S = 0.5
AREA, KIND, OWNER = "lifecycle", "failing", "whoever runs make loop"


@dataclass(frozen=True, kw_only=True)
class Supervisor:
    jobs: Sequence[LoopJob]
    config: LoopConfig
    monitor: Path  # its folder, where alerts are
    stopped: threading.Event
    status: LoopStatus

    def once(self) -> int:
        """Run all jobs, one after the other; the exit code: 1 if one of them failed."""
        failed = False
        for job in self.jobs:
            if not self.stopped.is_set():
                failed |= self._run(job).failure is not None
                print(self.status.line([job.name]), flush=True)
        return int(failed)

    def follow(self) -> int:
        """Run each at its times until `stopped` is set; all that runs then is ended."""
        scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(len(self.jobs))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for number, job in enumerate(self.jobs):
            every = IntervalTrigger(seconds=max(SHORTEST_S, job.every_s / clock().rate), timezone=UTC)
            first = datetime.now(UTC) + timedelta(seconds=number * APART_S)
            scheduler.add_job(self._run, every, args=[job], id=job.name, next_run_time=first)
        scheduler.start()
        try:
            self._show()
        finally:
            self.stopped.set()
            scheduler.shutdown(wait=True)
        return 0

    def end_left(self) -> None:
        """End what a supervisor that was killed has left running, and go on from what it has written."""
        for job in self.jobs:
            if end_noted(Path(self.config.folder) / RUNNING.format(job.name)):
                _say(f"{job.name}: a run that was left without a supervisor was ended")
        self.status.jobs.update(read_status(Path(self.config.folder)))

    def _show(self) -> None:
        shown, names = "", [job.name for job in self.jobs]
        while not self.stopped.wait(LINE_S):
            shown = show_line(self.status.line(names), shown)

    def _run(self, job: LoopJob) -> JobRun:
        self.status.begins(job.name)
        run = run_job(job, Path(self.config.folder), self.config.timeout_s, self.stopped)
        failures_before = self.status.jobs[job.name].failures
        now = self.status.ended(run)
        if run.failure is not None and (failures_before == 0 or now.failures == self.config.alert_failures):
            _say(f"{job.name} failed: {run.failure}; it comes again")
        elif failures_before and not now.failures and not run.stopped:
            _say(f"{job.name} works again")
        if not run.stopped and max(failures_before, now.failures) >= self.config.alert_failures:
            self._alert(run, now.failures)
        return run

    def _alert(self, run: JobRun, failures: int) -> None:
        """Begun when it has failed so often, ended when it works again."""
        is_on = failures > 0
        sentence = f"{run.job} failed {failures} times, the last time: {run.failure}" if is_on else f"{run.job} works again"
        tell(
            self.monitor,
            OwnAlert(
                area=AREA,
                subject=run.job,
                kind=KIND,
                severity="warning",
                owner=OWNER,
                sentence=sentence,
                next_step=f"see {self.config.folder}/{run.job}.log",
                effect=float(failures),
                unit="runs",
            ),
            is_on,
        )


def _say(text: str) -> None:
    print(f"\n{text}" if sys.stdout.isatty() else text, file=sys.stderr, flush=True)

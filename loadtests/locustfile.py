"""What Locust runs: `python -m loadtests.run` prepares a folder and starts Locust on this file, once a process.

By hand, on a prepared folder: ADCLICK_LOAD_RUN=<folder> ADCLICK_LOAD_INDEX=0 locust -f loadtests/locustfile.py
"""

import os
import sys
from pathlib import Path
from typing import Any

from locust import events
from locust.env import Environment

from loadtests.users.asking import open_grpc_to_gevent
from loadtests.users.plan import read_plan
from loadtests.users.shapes import Stages
from loadtests.users.start_page import ask_for_nothing
from loadtests.users.users import WAITING, ArrivalsUser, CtrUser, SendingProcess

RUN, INDEX = "ADCLICK_LOAD_RUN", "ADCLICK_LOAD_INDEX"

if RUN not in os.environ or not (Path(os.environ[RUN]) / "plan.json").is_file():
    sys.exit(f"load: error: {RUN} must name a folder that `python -m loadtests.run` has prepared")
run_dir = Path(os.environ[RUN])
plan = read_plan(run_dir)
config = plan.config
Stages.config = config
CtrUser.host = plan.http  # the page of Locust shows it; each user knows its own address
GrpcUser, BinaryUser, JsonUser = WAITING  # by these names Locust finds them, and by no other


def weigh() -> None:
    """Give each class of users its share of them. Locust leaves out those that have none."""
    total = sum(config.kinds.values())
    for user in WAITING:
        user.weight = 0 if config.open_loop else config.kinds.get(user.kind, 0) / total
    ArrivalsUser.weight = int(config.open_loop)
    ArrivalsUser.fixed_count = config.processes if config.open_loop else 0


weigh()


@events.init.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    """A process that sends reads the requests. A master only says how many users there are."""
    environment.stop_timeout = config.timeout_s + 1
    if environment.web_ui is not None:
        ask_for_nothing(environment.web_ui)
    if INDEX in os.environ:
        open_grpc_to_gevent()
        CtrUser.process = SendingProcess.of(run_dir, int(os.environ[INDEX]))


@events.test_start.add_listener
def begin(environment: Environment, **_: Any) -> None:
    if INDEX in os.environ:
        CtrUser.process.recorder.restart()


@events.test_stop.add_listener
def end(environment: Environment, **_: Any) -> None:
    if INDEX in os.environ:
        CtrUser.process.recorder.flush()

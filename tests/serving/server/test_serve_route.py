"""`make serve` by the store's route: it writes the first, opens what it names, and is without the challenger after a crash."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from contracts.serving.fuse import shown
from contracts.serving.release_log import read
from contracts.serving.route import Route
from serving.releases.routing import fuse_of
from serving.releases.store import Store
from serving.server.admin import AdminApi
from tests.serving.served_world import VENV, exported_with, wait_for
from tests.serving.server.running_command import Running, folder, run
from tests.serving.server.test_serve_command import ports_of
from tests.stages.pipeline_world import CONF

__all__ = ["folder", "run"]  # fixtures
pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def second(exported, tmp_path_factory) -> Path:
    return exported_with(exported, tmp_path_factory.mktemp("second") / "repository", max_batch_size=512)


def route(folder: Path, *words: str) -> list[str]:
    """What `make route` prints."""
    command = [VENV / "bin/python", "-m", "lifecycle.route", "--", *words]
    environment = os.environ | {"PYTHONPATH": str(CONF.parent)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def admin(folder: Path) -> AdminApi:
    return AdminApi(f"http://127.0.0.1:{ports_of(folder)['http_port']}")


def begun_canary(command: Running, folder: Path, second: Path) -> Store:
    """The server runs, and the second release is tried beside the first."""
    command.wait_for_line("serve: ready")
    store = Store(folder / "models")
    assert store.route() == Route(champion=1)
    assert store.release(second) == 2
    route(folder, "canary", "2", "5")
    said = command.wait_for_line("serve: route: ")
    assert said.startswith("serve: route: champion 1, challenger 2, canary 5 %, shadow 10 %, valid until ")
    wait_for(lambda: admin(folder).versions("ctr_careful") == [1, 2], 20, "the challenger is open")
    return store


def test_the_server_is_told_of_the_route_and_without_the_challenger_after_a_crash(run, folder, second):
    command = run()
    store = begun_canary(command, folder, second)
    tried = store.route()
    assert f"ADCLICK_ROUTE={folder}/models/route" in Path(f"/proc/{command.triton()}/environ").read_text().split("\0")
    events = [(entry["event"], entry["route"]) for entry in read(store.folder)[0]]
    assert events == [("release", None), ("route", shown(Route(champion=1).digest)), ("route", shown(tried.digest))]
    os.kill(command.triton(), signal.SIGKILL)
    ended = command.wait_for_line("serve: Triton ended")
    blamed = f"challenger 2 is off for good (fuse of route {shown(tried.digest)}, reason crash)"
    log = "starting it again (its log is models/triton.log.1)"
    assert ended == f"serve: Triton ended by itself with code -9; {blamed}; {log}"
    command.wait_for_line("serve: ready")
    fuse = fuse_of(store.folder, tried)
    assert (fuse.reason, fuse.evidence["exit_code"]) == ("crash", -9) and 0 < fuse.evidence["seconds_open"] < 60
    assert admin(folder).versions("ctr_careful") == [1]
    assert "route: champion 1 answers everybody: the fuse blew at " in route(folder)[2]
    os.kill(command.triton(), signal.SIGKILL)  # there is nobody to blame now
    assert command.wait_for_line("serve: Triton ended") == f"serve: Triton ended by itself with code -9; {log}"
    assert json.loads((store.folder / "fuses" / f"{shown(tried.digest)}.json").read_text())["evidence"] == dict(fuse.evidence)


def test_a_challenger_that_does_not_load_does_not_keep_the_server_from_starting(run, folder, second):
    command = run()
    store = begun_canary(command, folder, second)
    command.close()  # kill -9
    command = run()
    command.wait_for_line("serve: ready")
    assert admin(folder).versions("ctr_careful") == [1, 2] and fuse_of(store.folder, store.route()) is None
    command.close()
    broken = store.folder / "ctr_careful/2/request.json"
    broken.chmod(0o644)
    broken.write_text("{}")
    command = run()
    said = command.wait_for_line("serve: Triton ended while it started: ")
    assert "request.json was changed after the export" in said and said.endswith("reason crash); starting it again")
    command.wait_for_line("serve: ready")
    assert "request.json was changed" in fuse_of(store.folder, store.route()).evidence["start"]
    assert admin(folder).versions("ctr") == [1] and admin(folder).versions("ctr_careful") == [1]

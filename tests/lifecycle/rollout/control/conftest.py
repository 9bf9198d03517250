"""A project folder with three releases of which the first is served, a controller, and a server that loads what it is told."""

from contextlib import contextmanager

import pytest

from contracts.serving.route import Route
from lifecycle.deploy import tried
from lifecycle.deploy.champion import exported_model
from lifecycle.deploy.lock import alone
from lifecycle.deploy.server import RunningServer
from lifecycle.rollout.control import effects
from lifecycle.rollout.control.control import Control, LookEvidence
from serving.releases.store import Store
from tests.lifecycle.rollout.control.controlled_world import at_day, control_in, tell
from tests.serving.small_store import FakeAdmin, small_store
from tests.stages.pipeline_world import CONF

ROOT = CONF.parent


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADCLICK_CLOCK", "0 0 1")  # what a test sets is put back after it
    at_day(0)
    tell(LookEvidence())
    return tmp_path


@pytest.fixture
def store(project) -> Store:
    made = small_store(project, releases=3)
    made.replace_route(None, Route(champion=1))
    return made


@pytest.fixture
def control(project, store) -> Control:
    return control_in(project)


@pytest.fixture
def promoted(store, monkeypatch) -> list[str | None]:
    """A running server; of each promotion the reason for which it was forced."""
    admin, crowned = FakeAdmin(store), []

    @contextmanager
    def running(config):
        with alone(store.folder):
            yield RunningServer(config=config, store=store, admin=admin, route=store.readable_route())

    def make_champion(version, why, made_in):
        crowned.append(why)
        monkeypatch.setattr(tried, "read_champion", lambda: exported_model(store.folder, str(version)))

    monkeypatch.setattr(effects, "running_server", running)
    monkeypatch.setattr(tried, "read_champion", lambda: exported_model(store.folder, "1"))
    monkeypatch.setattr(tried, "make_champion", make_champion)
    return crowned

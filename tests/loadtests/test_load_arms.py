"""The load command against a server with two arms: who answers is judged, and a file that the server does not follow is said."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from bench.routing.challengers import make_challenger, scaled
from contracts.files import write_whole
from contracts.serving.route import NAME, text_of
from tests.loadtests.failing_challenger import failing_at
from tests.loadtests.load_world import WITHIN_S, begin, load, load_project
from tests.serving.routing.routed_world import Routed, a_route, routed
from tests.serving.served_world import REPOSITORY, wait_for

FACTOR = 0.9
SMOKE = ("smoke", "seconds=8", "thresholds.p99_ms=null")


@pytest.fixture
def served(exported, tmp_path):
    """A running server with two releases, and a project whose params.yaml names it."""
    champion = exported / REPOSITORY
    challenger = make_challenger(champion, tmp_path / "challenger" / "repository", scaled(FACTOR))
    project = tmp_path / "project"
    project.mkdir()
    with routed(project, champion, challenger) as running:
        load_project(exported, project)
        name_server(project, running)
        yield running


def name_server(project: Path, running: Routed, **changes: str) -> None:
    config, path = running.server.config, project / "params.yaml"
    params = yaml.safe_load(path.read_text())
    ports = {name: getattr(config, name) for name in ("http_port", "grpc_port", "metrics_port")}
    params["serving"]["server"] |= ports | changes
    path.write_text(yaml.safe_dump(params))


def summary(project: Path) -> dict:
    folder = max((project / "reports/load/smoke").iterdir())
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.triton
@pytest.mark.load
def test_two_arms_are_judged_while_the_route_changes(served):
    first, second = a_route(share=50), a_route(share=10, salt="0123456789abcdef")
    served.put(first)
    process = begin(served.folder, *SMOKE)
    runs = served.folder / "reports/load/smoke"
    wait_for(lambda: sum(path.stat().st_size for path in runs.glob("*/samples-*.part")) > 100_000, WITHIN_S, "samples")
    served.put(second, wait=False)
    said, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, said
    assert "load: two arms: champion 1, challenger 2, mode ab, 50 % to challenger 2" in said
    told = summary(served.folder)
    checks = {check["name"]: check for check in told["thresholds"]}
    assert checks["wrong_arm"]["measured"] == checks["fuses_blown"]["measured"] == 0 < checks["route_lag_s"]["measured"]
    arms = told["arms"]
    answers = {one["version"]: one["number"] for one in arms["answers"]}
    assert {*answers} == {1, 2} and told["counts"]["wrong"] == 0 and answers[1] > answers[2] > 500
    found = {one["route"]: (one["expected"], round(one["found"], 1)) for one in arms["shares"]}
    assert found == {f"{first.digest:016x}": (0.5, 0.5), f"{second.digest:016x}": (0.1, 0.1)}
    assert sum(one["answers"] for one in arms["shares"]) < sum(answers.values())  # those of the second of the change are left out
    page = (served.folder / "reports/load.html").read_text()
    assert '<a href="#arms">Two arms</a>' in page and "<td>challenger 2</td>" in page


@pytest.mark.triton
@pytest.mark.load
def test_a_file_that_the_server_does_not_follow_is_said(served):
    served.put(a_route(share=50))
    elsewhere = served.folder / "elsewhere"
    elsewhere.mkdir()
    other = a_route(share=50, salt="0123456789abcdef")
    write_whole(elsewhere / NAME, text_of(other).encode())
    name_server(served.folder, served, store=str(elsewhere))
    ended = load(served.folder, *SMOKE)
    assert ended.code == 1, ended.said
    assert f"says route {other.digest:016x} (mode ab, 50 % to challenger 2), but the server follows route" in ended.said


@pytest.mark.triton
@pytest.mark.load
def test_a_challenger_whose_fuse_blows_under_load_is_no_success(served):
    impatient = a_route(share=50, salt="0123456789abcdef", timeout_ms=1)
    served.put(a_route(share=50))
    process = begin(served.folder, *SMOKE, "rows_per_request={64: 1}")
    runs = served.folder / "reports/load/smoke"
    wait_for(lambda: sum(path.stat().st_size for path in runs.glob("*/samples-*.part")) > 50_000, WITHIN_S, "samples")
    served.put(impatient, wait=False)
    said, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 1 and "load: MISSED fuses_blown; page" in said, said
    told = summary(served.folder)
    checks = {check["name"]: check for check in told["thresholds"]}
    assert checks["wrong_arm"]["measured"] == 0 and told["counts"]["wrong"] == 0 and checks["fuses_blown"]["measured"] == 1
    assert sum(told["arms"]["fallbacks"].values()) == served.counted("adclick_fallback_total") >= 1
    assert [one["why"] for one in told["arms"]["off"]][-1].startswith("its fuse has blown (")


@pytest.mark.triton
@pytest.mark.load
def test_the_champion_may_step_in_as_often_as_was_counted(exported, tmp_path):
    challenger = make_challenger(exported / REPOSITORY, tmp_path / "challenger" / "repository", failing_at(16))
    project = tmp_path / "project"
    project.mkdir()
    with routed(project, exported / REPOSITORY, challenger) as running:
        load_project(exported, project)
        name_server(project, running)
        running.put(a_route(share=50, max_error_share=Decimal(1)))
        ended = load(project, *SMOKE)
    assert ended.code == 0, ended.said
    arms = summary(project)["arms"]
    counted = arms["fallbacks"]["error"]
    assert 20 < arms["instead"] <= counted <= arms["instead"] + 8  # users that were waiting when the run ended
    assert f"{arms['instead']:,} by the champion instead, {sum(arms['fallbacks'].values()):,} fallbacks counted" in ended.said

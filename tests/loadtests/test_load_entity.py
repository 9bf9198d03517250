"""Where requests have the entity, the server reads the routing key of their first row itself."""

import pytest

from bench.routing.challengers import make_challenger, scaled
from tests.loadtests.load_world import load, load_project
from tests.loadtests.test_load_arms import SMOKE, name_server, summary
from tests.made_once import made_once
from tests.serving.routing.routed_world import a_route, routed
from tests.serving.served_world import REPOSITORY
from tests.stages.exported_world import export_small_model
from tests.stages.pipeline_world import declaration


@pytest.fixture(scope="session")
def with_entity(tmp_path_factory):
    """The small model, whose users are a feature."""
    data = declaration()
    data["columns"] = [column | {"feature": True} if column["role"] == "entity" else column for column in data["columns"]]
    return made_once(tmp_path_factory, "with_entity", lambda folder: export_small_model(folder, data))


@pytest.mark.triton
@pytest.mark.load
def test_users_of_the_rows_are_answered_by_their_arm(with_entity, tmp_path):
    challenger = make_challenger(with_entity / REPOSITORY, tmp_path / "challenger" / "repository", scaled(0.9))
    project = tmp_path / "project"
    project.mkdir()
    with routed(project, with_entity / REPOSITORY, challenger) as running:
        load_project(with_entity, project)
        name_server(project, running)
        running.put(a_route(share=30))
        ended = load(project, *SMOKE)
    assert ended.code == 0, ended.said
    share = summary(project)["arms"]["shares"][0]
    assert share["keys"] == 40 and share["answers"] > 1000  # users of the test month, not simulated ones
    assert {one["version"] for one in summary(project)["arms"]["answers"]} == {1, 2}

"""The export tells the served models by which column a request is routed that brings no key."""

import os
import subprocess
import sys

import pytest

from stages.files import read_json
from tests.serving.served_world import REPOSITORY, exported_with
from tests.serving.triton.routing.conftest import SERVED


def settings(repository, model="ctr"):
    return read_json(repository / model / "1" / "request.json")


def test_the_entity_is_named_if_requests_have_it(keyed_exported, exported):
    repository = keyed_exported / REPOSITORY
    assert settings(repository, "ctr_careful")["entity"] == "user"
    places = [column["name"] for column in settings(repository, "ctr_careful")["categorical"]]
    assert f"entity {places.index('user')}" in (repository / "ctr/1/native.txt").read_text().splitlines()
    assert settings(exported / REPOSITORY, "ctr_careful")["entity"] is None
    assert "entity" not in (exported / REPOSITORY / "ctr/1/native.txt").read_text()


@pytest.mark.parametrize("model", ["ctr", "ctr_by_name"])
def test_what_routes_travels_with_the_release(keyed_exported, tmp_path, model):
    """All that a model imports is in its version folder: nothing else of the project is in the way of Python's imports."""
    repository = exported_with(keyed_exported, tmp_path / "repository", **SERVED)
    folder = repository / model / "1"
    listed = read_json(folder / "package.json")["files"]
    assert {"contracts/serving/route.py", "serving/triton/routing/watch.py", "serving/triton/routing/shadow/shadows.py"} <= {
        *listed
    }
    utils = tmp_path / "utils"
    utils.mkdir()
    (utils / "triton_python_backend_utils.py").write_text("")
    code = "import sys, model; print([m for m in sys.modules if m.startswith('serving.triton.routing.watch')])"
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}:{utils}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str(["serving.triton.routing.watch"] if model == "ctr" else [])

"""What fails inside the server: the client reads one sentence, the log holds the reason, the rest goes on."""

import time
from pathlib import Path

import pytest

from tests.serving.doors import DOORS, by_name, over_grpc, packed
from tests.serving.metrics import scrape, total
from tests.serving.pictures import encoded
from tests.serving.served_world import REPOSITORY, exported_with, kill, serving, wait_for

pytestmark = pytest.mark.triton
INTERVAL_S = 0.1
FAILED = "the model could not answer this request; the server's log says why"


@pytest.fixture(scope="module")
def broken_server(exported, tmp_path_factory):
    """A server whose creative_encoder was taken away."""
    folder = tmp_path_factory.mktemp("broken")
    with serving(folder, exported_with(exported, folder / "repository", metrics_interval_s=INTERVAL_S)) as running:
        running.admin.unload("creative_encoder")
        yield running


@pytest.mark.parametrize("door", ["grpc", "http"])
@pytest.mark.parametrize("model", ["ctr", "ctr_by_name"])
def test_a_request_that_needs_what_is_missing_fails_in_one_sentence(broken_server, exported_rows, spec, door, model):
    build = packed if model == "ctr" else by_name
    reply = DOORS[door](broken_server, build(exported_rows[:1], spec, [encoded()]), model)
    assert (reply.code, reply.error) == ("INTERNAL", FAILED)
    assert DOORS[door](broken_server, build(exported_rows[:1], spec), model).code == "OK"


def test_the_log_says_why_and_the_failure_is_counted(broken_server, exported_rows, spec):
    time.sleep(3 * INTERVAL_S)  # until what other tests sent is counted
    before = total(scrape(broken_server), "adclick_requests_total", outcome="failed")
    over_grpc(broken_server, packed(exported_rows[:1], spec, [encoded()]))
    log = broken_server.log_path.read_text()
    assert "ModelFailed" in log and "'creative_encoder'" in log

    def counted() -> float:
        return total(scrape(broken_server), "adclick_requests_total", outcome="failed")

    wait_for(lambda: counted() == before + 1, 5, "it is counted")


def test_a_model_that_cannot_be_reloaded_is_tried_again_until_it_can(exported, tmp_path, exported_rows, spec, capfd):
    with serving(tmp_path, exported / REPOSITORY) as server:
        path = Path(server.config.store) / "ctr_by_name" / "1" / "request.json"
        content = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(content + b" ")
        kill(server, "ctr_by_name")
        time.sleep(1.5)
        assert over_grpc(server, by_name(exported_rows[:1], spec), "ctr_by_name").code == "INTERNAL"
        assert over_grpc(server, packed(exported_rows[:1], spec)).code == "OK"
        path.write_bytes(content)
        tensors = by_name(exported_rows[:1], spec)
        wait_for(lambda: over_grpc(server, tensors, "ctr_by_name").code == "OK", 5, "it answers again")
    said = capfd.readouterr().err
    assert "serve: model ctr_by_name could not be reloaded, trying again: model 'ctr_by_name' was not loaded: " in said
    assert "request.json was changed after the export" in said

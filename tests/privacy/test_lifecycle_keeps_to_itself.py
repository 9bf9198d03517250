"""What follows an answer, from the journal to a user who is erased: nothing is written outside, and nobody is turned to."""

import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from serving.releases.store import Store
from tests.lifecycle.replay.replay_world import Answering
from tests.privacy.projects import FONTS, copied
from tests.privacy.watched import watch
from tests.serving.served_world import REPOSITORY, request_spec

ROWS = 40
COMMANDS = {  # each after those whose files it reads, with what it says if it has read them
    "lifecycle.journal": ((), f"journal: {ROWS} rows of 1 segments"),
    "lifecycle.replay": (("--folder", "journal", "--store", "models", "--share", "1"), f"equal to the last bit  {ROWS}"),
    "lifecycle.feedback": (("clicks.csv",), f"{ROWS} events received = {ROWS} matched"),
    "lifecycle.monitor": (("--exit-0",), f"{ROWS} rows of 1 release"),
    "lifecycle.route": (("--", "off"), "route: champion 1"),
    "lifecycle.rollout": (("--", "status"), "rollout: there never was a rollout"),
    "lifecycle.retrain": (("--", "status"), "core hours"),
    "lifecycle.erase": (("--wait", "0", "--", "nobody"), "erase: erased 0 rows"),
}


@pytest.fixture(scope="module")
def project(exported, tmp_path_factory) -> Path:
    """A project folder whose model has answered; the journal of it and the clicks that came are there."""
    folder = copied(exported, tmp_path_factory.mktemp("followed") / "project")
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["serving"]["journal"]["folder"] = "journal"
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    world = Answering(folder, exported / REPOSITORY, request_spec(exported))
    Store(world.store).activate(world.release)
    [prediction_id] = world.answer(pl.read_parquet(folder / "data/split/test.parquet", n_rows=ROWS), ROWS)
    world.writer.close()
    pl.DataFrame({"prediction_id": [prediction_id] * ROWS, "row": range(ROWS)}).write_csv(folder / "clicks.csv")
    return folder


def test_commands_that_follow_an_answer_keep_to_themselves(project, tmp_path):
    for module, (arguments, said) in COMMANDS.items():
        watched = watch([sys.executable, "-m", module, *arguments], project, tmp_path / module)
        assert watched.code == 0 and said in watched.said, (module, watched.said)
        assert (watched.strays(project, FONTS), watched.seen.far) == ([], frozenset()), module

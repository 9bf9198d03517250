"""In the container packaging the graphs of both arms are Triton models, which the arms' threads call."""

import os
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from stages.exporting.container import write_container
from tests.serving.container_world import with_stand_ins
from tests.serving.doors import over_grpc, packed
from tests.serving.pictures import encoded
from tests.serving.served_world import declaration_of, section, wait_for
from tests.serving.triton.routing.routed_world import routing
from tests.serving.triton.routing.routes import trial_route

pytestmark = pytest.mark.triton


def container(exported: Path, folder: Path, rows: int) -> Path:
    config = section("serving", exported / "params.yaml").repository
    config = replace(config, max_batch_size=rows, metrics_interval_s=0.1, instances=1)
    sample = pl.read_parquet(exported / "data/split/train.parquet", n_rows=1)
    before = os.getcwd()
    os.chdir(exported)  # the repository takes code along from there
    try:
        write_container(folder / "made", Path("artifacts/export"), declaration_of(exported), config, sample)
    finally:
        os.chdir(before)
    return with_stand_ins(folder / "made", folder / "repository")


def test_both_arms_call_their_own_graphs(keyed_exported, keyed_rows, keyed_spec, tmp_path):
    first, second = (container(keyed_exported, tmp_path / name, rows) for name, rows in (("first", 1024), ("second", 512)))
    route = trial_route(share=50, shadow=100, salt="eeee0001")
    with routing(tmp_path, first, second) as routed:
        routed.write(route)
        wait_for(lambda: "release 2 cannot be opened: " in routed.log(), 5, "its graph is not loaded")
        assert over_grpc(routed.server, packed(keyed_rows[:2], keyed_spec)).version.tolist() == [1, 1]
        routed.server.admin.load("ctr_graph_2")
        wait_for(lambda: routed.metric("adclick_challenger_open") == 1, 10, "it is opened now")
        replies = {}
        for row in range(30):
            reply = over_grpc(routed.server, packed(keyed_rows[row : row + 2], keyed_spec))
            arm = route.answers(keyed_rows["user"][row].encode())
            assert (reply.code, reply.version[0]) == ("OK", {"champion": 1, "challenger": 2}[arm])
            replies[reply.prediction_id] = reply.probability.tolist()
        assert {entry["release"] for entry in routed.entries()} == {1, 2}
        wait_for(lambda: sum(entry["status"] == 2 for entry in routed.entries()) == 30, 5, "all are shadowed")
        for entry in routed.entries():
            if entry["id"] in replies:  # both are the same model
                assert entry["outputs"] == pytest.approx(replies[entry["id"]], abs=1e-6)
        stranger = keyed_rows[:1].with_columns(ad=pl.lit("never seen"))
        for release in (1, 2):
            reply = over_grpc(routed.server, packed(stranger, keyed_spec, [encoded(color=(9, 9, 9))]), release=release)
            assert (reply.code, reply.version.tolist()) == ("OK", [release])
        assert routed.metric("adclick_fallback_total") == 0 and routed.fuse(route) is None

"""A challenger whose declaration has more nullable columns answers the champion's requests, plain ones and others."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.serving.route import bucket
from tests.made_once import made_once
from tests.serving.doors import Tensors, over_grpc, packed
from tests.serving.pictures import encoded
from tests.serving.routing.routed_world import SALT, a_route, routed
from tests.serving.served_world import REPOSITORY, request_spec, serving, wait_for
from tests.stages.exported_world import export_small_model
from tests.stages.pipeline_world import COLUMNS, declaration, rows_of, write_month

pytestmark = pytest.mark.triton
TONE = {"name": "tone", "role": "categorical", "dtype": "string", "nullable": True, "keep": True}
PRICE = {"name": "price", "role": "numeric", "dtype": "float", "nullable": True, "keep": True}


@pytest.fixture(scope="module")
def wider(tmp_path_factory):
    """A project folder with a model that has two more columns, the new string before all that the champion has."""

    def write(source: Path, month: int, num_rows: int) -> None:
        folder = write_month(source, month, num_rows)
        rng = np.random.default_rng(month)
        rows = rows_of(month, num_rows).with_columns(
            tone=pl.Series(rng.choice(["warm", "cold", ""], num_rows)),
            price=pl.Series(rng.normal(3, 1, num_rows)).scatter(np.flatnonzero(rng.random(num_rows) < 0.2), None),
        )
        rows.write_csv(folder / "rows.csv")

    def export(folder: Path) -> None:
        export_small_model(folder, declaration(columns=[*COLUMNS[:2], TONE, *COLUMNS[2:5], PRICE, *COLUMNS[5:]]), write)

    return made_once(tmp_path_factory, "wider", export)


def test_old_requests_are_answered_by_both_arms(exported, wider, spec, exported_rows, tmp_path):
    new_spec = request_spec(wider)
    assert len(new_spec.columns) == len(spec.columns) + 2
    rows = exported_rows[:6]
    new_rows = rows.with_columns(tone=pl.lit(None, pl.String), price=pl.lit(None, pl.Float64))
    kinds: dict[str, tuple[Tensors, Tensors]] = {
        "plain": (packed(rows, spec), packed(new_rows, new_spec)),
        "with images": (packed(rows, spec, [encoded()] * 6), packed(new_rows, new_spec, [encoded()] * 6)),
    }
    expected: dict[tuple[str, int], np.ndarray] = {}
    for version, repository in ((1, exported / REPOSITORY), (2, wider / REPOSITORY)):
        with serving(tmp_path / f"alone{version}", repository) as alone:
            for kind, requests in kinds.items():
                expected[kind, version] = over_grpc(alone, requests[version - 1]).probability
    with routed(tmp_path, exported / REPOSITORY, wider / REPOSITORY, journal=True) as running:
        running.put(a_route(share=50, shadow=100, max_mean_ratio=1000))
        for number in range(20):
            key = f"user {number}"
            version = 2 if bucket(SALT, key.encode()) < 500_000 else 1
            for kind, (request, _) in kinds.items():
                reply = over_grpc(running.server, request, routing_key=key, declaration=spec.digest)
                assert (reply.code, {*reply.version.ravel()}) == ("OK", {version}), reply
                np.testing.assert_allclose(reply.probability, expected[kind, version], rtol=1e-5)
        assert running.counted("adclick_fallback_total") == 0
        done = 20 + sum(bucket(SALT, f"user {number}".encode()) >= 500_000 for number in range(20))
        wait_for(lambda: running.counted("adclick_shadow_total", outcome="done") == done, 20, "the other arm computes them too")

"""What the model tells Prometheus adds up to what was sent, exactly, once the interval between two additions is over."""

import re
import time

import numpy as np
import polars as pl
import pytest

from contracts.serving.request import CATEGORICAL, NUMERIC
from tests.serving.doors import by_name, over_grpc, over_http, packed
from tests.serving.metrics import Metrics, scrape, total
from tests.serving.pictures import encoded, noise
from tests.serving.served_world import exported_with, serving, wait_for
from tests.serving.strict_world import STRICT_LIMITS

pytestmark = pytest.mark.triton
EDGES = ["0.001", "0.002", "0.005", "0.01", "0.02", "0.03", "0.05", "0.075", "0.1", "0.15", "0.2", "0.3", "0.5", "0.75", "1"]
KNOWN = {"site": "site 1", "device": "device 0", "ad": 1, "view": 5, "mobile": True, "age": 40.0, "visits": 3, "spent": 1.0}
HISTOGRAM = "adclick_predicted_probability"


@pytest.fixture(scope="module")
def server(strict_exported, tmp_path_factory):
    """A server of which nobody else asks anything."""
    folder = tmp_path_factory.mktemp("counted")
    with serving(folder, exported_with(strict_exported, folder / "repository", **STRICT_LIMITS)) as running:
        yield running


@pytest.fixture
def ask(server, strict_spec):
    """Sends rows that are KNOWN but for what is said of them."""

    def asked(changes: list[dict], images: list[bytes] | None = None, door=over_grpc, model: str = "ctr"):
        rows = pl.DataFrame([KNOWN | {"constant": 1.0} | change for change in changes])
        build = packed if model == "ctr" else by_name
        return door(server, build(rows, strict_spec, images), model)

    return asked


def grown(server, before: Metrics, requests: int) -> dict[tuple[str, str], float]:
    """What the model's own counters grew by, once `requests` more are counted: by name and label."""

    def counted() -> Metrics | None:
        now = scrape(server)
        if total(now, "adclick_requests_total") - total(before, "adclick_requests_total") < requests:
            return None
        time.sleep(STRICT_LIMITS["metrics_interval_s"])  # the scrape may have come in the middle of an addition
        return scrape(server)

    after = wait_for(counted, 5, f"{requests} requests are counted")
    assert {dict(labels)["version"] for (name, labels) in after.values if name.startswith("adclick_")} == {"1"}
    found = {}
    for (name, labels), value in after.values.items():
        told = ",".join(f"{label[1]}" for label in sorted(labels) if label[0] not in ("model", "version"))
        if name.startswith("adclick_") and (increase := value - before.values.get((name, labels), 0)):
            found[name, told] = found.get((name, told), 0) + increase  # of `ctr` and of `ctr_careful`
    return found


def plain(found: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    return {key: value for key, value in found.items() if not key[0].startswith(HISTOGRAM)}


def test_warm_ups_are_not_counted(server):
    assert total(scrape(server), "nv_inference_count", model="ctr") > 0
    time.sleep(3 * STRICT_LIMITS["metrics_interval_s"])
    counted = {(name, labels): value for (name, labels), value in scrape(server).values.items() if name.startswith("adclick_")}
    assert not any(counted.values())


def test_outcomes_are_there_before_the_first(server):
    """What a counter begins with is no rise to Prometheus: the first failure would be seen by no rule."""
    wait_for(lambda: outcomes_of(server, "ctr") >= {"answered", "failed", "overloaded", "unwritten"}, 10, "they are there")
    assert outcomes_of(server, "ctr_careful") == {"answered", "refused", "failed", "overloaded", "unwritten"}


def outcomes_of(server, model) -> set[str]:
    names = [dict(labels) for name, labels in scrape(server).values if name == "adclick_requests_total"]
    return {labels["outcome"] for labels in names if labels["model"] == model}


def test_rows_and_requests_are_counted(server, ask):
    before = scrape(server)
    for rows, door in ((1, over_grpc), (3, over_http), (7, over_grpc)):
        assert ask([{}] * rows, door=door).code == "OK"
    assert ask([{}] * 2, model="ctr_by_name").code == "OK"
    assert plain(grown(server, before, 4)) == {
        ("adclick_requests_total", "answered"): 4,
        ("adclick_rows_total", ""): 13,
        ("adclick_creatives_total", "known"): 13,
    }


def test_unknown_and_missing_values_are_counted_by_column(server, ask):
    before = scrape(server)
    ask([{"site": "nowhere"}, {"site": "NA"}, {"site": None, "view": 19}, {"site": "elsewhere", "device": "new"}])
    ask([{"age": None}, {"age": 999.0}, {"view": -1}])
    assert plain(grown(server, before, 2)) == {
        ("adclick_requests_total", "answered"): 2,
        ("adclick_rows_total", ""): 7,
        ("adclick_creatives_total", "known"): 7,
        ("adclick_unknown_values_total", "site"): 2,
        ("adclick_unknown_values_total", "view"): 1,
        ("adclick_unknown_values_total", "device"): 1,
        ("adclick_missing_values_total", "site"): 2,
        ("adclick_missing_values_total", "age"): 2,
        ("adclick_missing_values_total", "view"): 1,
    }


def test_creatives_are_counted_by_what_was_known_of_them(server, ask):
    before = scrape(server)
    image = encoded(color=(7, 7, 7))
    ask([{"ad": 77}, {"ad": 5}, {"ad": 78}, {}], [image, b"", image, image])
    ask([{"ad": 77}], [noise(40)[:-1000]])
    assert plain(grown(server, before, 2)) == {
        ("adclick_requests_total", "answered"): 1,
        ("adclick_requests_total", "refused"): 1,
        ("adclick_refused_total", "image"): 1,
        ("adclick_rows_total", ""): 4,
        ("adclick_creatives_total", "known"): 1,
        ("adclick_creatives_total", "image"): 2,
        ("adclick_creatives_total", "unknown"): 1,
        ("adclick_creative_images_total", "encoded"): 1,
        ("adclick_creative_images_total", "refused"): 1,
    }


def test_refused_requests_are_counted_by_rule_and_their_rows_are_not(server, ask, strict_spec):
    before = scrape(server)
    for change in ({"view": 21}, {"view": 22}, {"age": -1.0}, {"spent": None}, {"spent": float("inf")}, {"site": "x" * 13}):
        assert ask([{}, change, {"device": "unknown here"}]).code == "INVALID_ARGUMENT"
    whole = packed(pl.DataFrame([KNOWN | {"constant": 1.0}]), strict_spec)
    over_grpc(server, {CATEGORICAL: whole[CATEGORICAL]})
    over_grpc(server, whole, declaration="other")
    over_grpc(server, whole | {NUMERIC: np.full((1, 4), np.nan, np.float32)})
    assert plain(grown(server, before, 9)) == {
        ("adclick_requests_total", "refused"): 9,
        ("adclick_refused_total", "max"): 2,
        ("adclick_refused_total", "min"): 1,
        ("adclick_refused_total", "finite"): 1,
        ("adclick_refused_total", "not_null"): 2,
        ("adclick_refused_total", "max_length"): 1,
        ("adclick_refused_total", "missing_tensor"): 1,
        ("adclick_refused_total", "declaration"): 1,
    }


def test_the_histogram_holds_every_probability(server, ask, strict_rows):
    before = scrape(server)
    changes = strict_rows.select("age", "visits", "spent", "site").to_dicts()
    p = np.concatenate([ask(changes[:20]).probability, ask(changes[20:]).probability])
    assert p.std() > 0.05
    found = grown(server, before, 2)
    buckets = {le: found.get((f"{HISTOGRAM}_bucket", le), 0) for le in [*EDGES, "+Inf"]}
    assert buckets == {le: np.count_nonzero(p <= float(le)) for le in [*EDGES, "+Inf"]}
    assert found[f"{HISTOGRAM}_count", ""] == buckets["+Inf"] == 50
    assert found[f"{HISTOGRAM}_sum", ""] == pytest.approx(p.sum(dtype=np.float64), abs=1e-4)


def test_names_follow_the_conventions_of_prometheus(server):
    metrics = scrape(server)
    own = {name: kind for name, kind in metrics.types.items() if name.startswith("adclick_")}
    assert len(own) == 10
    for name, kind in own.items():
        assert kind == "counter" and metrics.helps[name]
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*_(total|bucket|sum|count)", name)
        assert name.endswith("_total") or name.startswith(HISTOGRAM)
    labels = {label for (name, found) in metrics.values if name in own for label, _ in found}
    assert labels == {"model", "version", "outcome", "rule", "column", "kind", "le"}

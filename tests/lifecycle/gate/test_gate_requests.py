"""Golden requests, the contract between two declarations, settings, models and rows: without a server."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from contracts.dataset.columns import Column
from contracts.serving.request import RequestSpec
from lifecycle.gate.answers.contract import as_written_for, columns_apart
from lifecycle.gate.answers.golden import golden_requests, rule_of
from lifecycle.gate.answers.parity import spread_places
from lifecycle.gate.measuring.served import logged_error
from lifecycle.gate.models import GatedModel, read_candidate, read_champion
from lifecycle.gate.page import page
from lifecycle.gate.settings import config_digest, load_gate_config
from loadtests.requests.traffic import TrafficRows
from tests.lifecycle.gate.gated_world import gate_config

SITE = Column(name="site", role="categorical", dtype="string", max_length=5)
HOUR = Column(name="hour", role="categorical", dtype="int", nullable=True, max=23)
AGE = Column(name="age", role="numeric", dtype="float", nullable=True, min=13, max=110)


def spec(*columns: Column, creative: str | None = None) -> RequestSpec:
    return RequestSpec(
        categorical=tuple(c for c in columns if c.role == "categorical"),
        numeric=tuple(c for c in columns if c.role == "numeric"),
        instants=(),
        creative=creative,
        digest="d" * 64,
    )


def golden(rows=((("a", "1"), 20.0), (("b", "2"), 30.0), (("a", ""), 40.0))):
    traffic = TrafficRows(
        spec=spec(SITE, HOUR, AGE),
        categorical_NC=np.array([texts for texts, _ in rows], dtype=object),
        numeric_NM=np.array([[number] for _, number in rows], dtype=np.float32),
        creative_N=None,
        images={},
    )
    model = GatedModel(
        name="candidate",
        repository=Path(),
        declaration=None,
        used=frozenset({"site", "hour"}),
        digest="",
        served_as="",
        training=None,
    )  # type: ignore[arg-type]
    return {request.name: request for request in golden_requests(model, traffic)}


def test_golden_requests_hold_values_unknown_missing_bounds_and_what_is_wrong():
    found = golden()
    assert found["values of 'site'"].tensors["categorical"][:, 0].tolist() == ["a", "b"]
    assert found["an unknown 'site'"].tensors["categorical"].tolist() == [["new a", "1"]]
    assert found["an unknown 'hour'"].tensors["categorical"].tolist() == [["a", "23"]]
    assert found["a missing 'hour'"].tensors["categorical"].tolist() == [["a", ""]]
    assert np.isnan(found["a missing 'age'"].tensors["numeric"]).all()
    assert found["the least 'age'"].tensors["numeric"].tolist() == [[13]]
    assert found["the largest 'age'"].tensors["numeric"].tolist() == [[110]]
    assert "a missing 'site'" not in found  # must be there
    wrong = {name for name, request in found.items() if not request.is_right}
    assert wrong >= {"a request with declaration", "a request with width", "a request with below_min", "a request with too_long"}
    assert [*golden()] == [*found]  # the same every time


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("column 'age', row 0: 7 breaks the rule min: 13", "column 'site', row 3: 'x' breaks the rule min: 1", True),
        ("column 'age', row 0: 7 breaks the rule min: 13", "column 'age', row 0: 7 breaks the rule max: 13", False),
        ("input 'numeric' has shape [2, 5], expected [rows, 4]", "input 'numeric' has shape [2, 9], expected [rows, 8]", True),
        ("input 'numeric' is missing; send FP32 [rows, 1]: age", "input 'numeric' is missing; send FP32 [rows, 2]: age, x", True),
        ("input 'creative_image', row 0: no PNG", "input 'creative_image', row 0: cannot be read", False),
        ("input 'numeric' is missing; send it", "input 'numeric' has shape [2, 5]", False),
    ],
)  # fmt: skip
def test_refusals_are_compared_by_their_rule(one, other, alike):
    assert (rule_of(one) == rule_of(other)) is alike


def test_requests_for_the_champion_fit_if_new_columns_may_be_missing():
    new = Column(name="age", role="numeric", dtype="float", nullable=True)
    needed = Column(name="age", role="numeric", dtype="float")
    assert columns_apart(spec(SITE, HOUR), spec(SITE, HOUR, new)) == []
    assert "'age' is new and not nullable" in columns_apart(spec(SITE), spec(SITE, needed))[0]
    assert columns_apart(spec(SITE, HOUR), spec(SITE)) == ["column 'hour', which the champion takes as categorical, is gone"]
    assert columns_apart(spec(SITE, creative="site"), spec(SITE)) == ["creatives have no images now"]


def test_rows_for_the_champion_lack_the_new_columns():
    rows = pl.DataFrame({"site": ["a"], "age": [20.0]})
    assert as_written_for(spec(SITE), rows).to_dict(as_series=False) == {"site": ["a"], "age": [None]}


@pytest.mark.parametrize(
    ("total", "wanted", "places"),
    [(10, 20, [(0, 10)]), (150, 80, [(0, 10), (20, 10), (40, 10), (60, 10), (80, 10), (100, 10), (120, 10), (140, 10)])],
)
def test_rows_are_taken_from_all_over_the_test_split(total, wanted, places):
    assert spread_places(total, wanted) == places


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rounds": [4, 3]}, "rounds must ascend, got"),
        ({"rounds": [1], "pairs": 3}, "1 rounds of 3 pairs cannot decide with a chance of error of 0.05"),
        ({"limits": {"p99": 1}}, "Field required"),
    ],
)
def test_settings_that_cannot_decide_are_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        gate_config(**changes)


def test_the_digest_of_the_settings_changes_with_them():
    assert config_digest(gate_config()) == config_digest(gate_config()) != config_digest(gate_config(distinct=7))


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "is missing; run `make repro`"), ("a: 1", "section 'gate' is missing"), ("gate: {pairs: 0}", "gate.")],
)
def test_settings_that_are_not_there_say_what_to_do(project, text, words):
    if text is not None:
        Path("params.yaml").write_text(text)
    with pytest.raises(ValueError, match=words):
        load_gate_config()


def test_models_that_are_not_there_say_what_to_do(project):
    with pytest.raises(ValueError, match="artifacts/export holds no exported model; run `make repro` first"):
        read_candidate()
    assert read_champion() is None
    Path("champion").mkdir()
    Path("champion/model.dvc").touch()
    with pytest.raises(ValueError, match="champion/model is not here; `dvc pull champion/model.dvc` brings"):
        read_champion()
    Path("artifacts/export").mkdir(parents=True)
    Path("artifacts/export/manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="artifacts/repository/embedded is not the repository of artifacts/export"):
        read_candidate()


def test_what_a_server_has_logged_since_it_was_ready_is_told(tmp_path):
    log = tmp_path / "champion.log"
    assert logged_error(tmp_path, "champion") == ""
    log.write_text(
        'E1130 12:00:00.1 7 server.cc:241] "no GPU"\nI1130 12:00:01.1 7 grpc_server.cc:1] "Started GRPCInferenceService"\n'
    )
    assert logged_error(tmp_path, "champion") == ""
    with log.open("a") as lines:
        lines.write(
            'E1130 12:00:02.1 7 answer.c:1] "first"\nE1130 12:00:03.1 7 answer.c:1] "last"\nI1130 12:00:04.1 7 a.c:1] "end"\n'
        )
    assert logged_error(tmp_path, "champion") == f'; {log} says: E1130 12:00:03.1 7 answer.c:1] "last"'


def test_the_page_shows_what_was_checked():
    check = {
        "name": "server CPU, 1 row / 1 client", "passed": False, "decided": True, "limit": 0.05, "sentence": "server CPU grew",
        "figures": {
            "growth": 0.15, "low": 0.1, "high": 0.2, "pairs": 9, "state": "beyond", "unit": "s", "candidate": 0.0115,
            "champion": 0.01, "ratios": [1.1, 1.2], "rounds": [0.15],
        },
    }  # fmt: skip
    found = {
        "verdict": "failed", "passes": False, "reasons": ["server CPU <grew>"], "candidate": "c" * 64, "champion": None,
        "server": {"triton": "2.51.0", "backend": "b" * 64}, "started": "2026-01-01", "seconds": 9.0,
        "machine": {"processor": "a processor", "cores": 2}, "checks": [check],
    }  # fmt: skip
    text = page(found, "small")
    assert text.index("Refused") < text.index("server CPU &lt;grew&gt;") < text.index("data:image/svg+xml")
    for shown in ("11.5 ms", "+15.0 %", "[+10.0, +20.0], 9 pairs", "Triton\n2.51.0", "none yet"):
        assert shown in text, shown
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org", "")
    json.dumps(found)

"""What Triton's front end refuses before a model sees it: in its own words, in no metric, and in the log if one asks."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import urllib3

from contracts.serving.request import CATEGORICAL, NUMERIC
from serving.server.secret import http_headers
from serving.server.server import TritonServer
from tests.serving.doors import DOORS, Tensors, over_grpc, over_json, packed, post
from tests.serving.metrics import scrape, total
from tests.serving.served_world import secret_of

pytestmark = pytest.mark.triton
MISSING, REFUSED_NUMBER = "attempt to access JSON non-number as double", "Unable to parse 'data': "


def widened(tensors: Tensors) -> Tensors:
    return tensors | {NUMERIC: np.repeat(tensors[NUMERIC], 2, axis=1)}


def shorter(tensors: Tensors) -> Tensors:
    return tensors | {NUMERIC: tensors[NUMERIC][:-1]}


def retyped(tensors: Tensors) -> Tensors:
    return tensors | {NUMERIC: tensors[NUMERIC].astype(np.float64)}


def with_another(tensors: Tensors) -> Tensors:
    return tensors | {"colour": tensors[NUMERIC]}


def repeated(tensors: Tensors) -> Tensors:
    return {name: np.repeat(values, 300, axis=0) for name, values in tensors.items()}


BY_THE_FRONT_END: dict[str, Callable[[Tensors], Tensors]] = {
    "unexpected shape for input 'numeric'": widened,
    "batch size does not match other inputs": shorter,
    "data-type is 'FP64', but model 'ctr' expects 'FP32'": retyped,
    "unexpected inference input 'colour'": with_another,
    "batch-size must be <= 1024": repeated,
}


@pytest.fixture(scope="module")
def tensors(exported, spec) -> Tensors:
    found = packed(pl.read_parquet(exported / "data/split/test.parquet", n_rows=4), spec)
    return found | {NUMERIC: np.nan_to_num(found[NUMERIC], nan=40)}


@contextmanager
def verbose(server: TritonServer) -> Iterator[Callable[[], str]]:
    """Triton says more, as docs/operations.md tells; gives what it has said since."""

    def say(level: int) -> None:
        with urllib3.PoolManager() as pool:
            headers = http_headers(secret_of(server)) | {"Connection": "close"}
            answer = pool.request("POST", f"{server.http_url}/v2/logging", json={"log_verbose_level": level}, headers=headers)
        assert answer.status == 200 and json.loads(answer.data)["log_verbose_level"] == level

    start = Path(server.log_path).stat().st_size
    say(1)
    try:
        yield lambda: Path(server.log_path).read_bytes()[start:].decode(errors="replace")
    finally:
        say(0)


def requests_in(page: dict) -> dict[str, float]:
    """Every count of requests that there is."""
    names = ("nv_inference_request_success", "nv_inference_request_failure", "adclick_requests_total", "adclick_refused_total")
    return {name: total(page, name) for name in names}


@pytest.mark.parametrize("door", DOORS)
def test_no_metric_counts_what_the_front_end_refuses(server, tensors, door):
    before = requests_in(scrape(server))
    for words, change in BY_THE_FRONT_END.items():
        reply = DOORS[door](server, change(tensors))
        assert reply.code == "INVALID_ARGUMENT" and words in reply.error
    assert requests_in(scrape(server)) == before


@pytest.mark.parametrize("door", DOORS)
def test_the_log_tells_them_while_it_is_told_to(server, tensors, door):
    with verbose(server) as said:
        for change in BY_THE_FRONT_END.values():
            DOORS[door](server, change(tensors))
        told = [line for line in said().splitlines() if "Infer failed: " in line]
        assert len(told) == len(BY_THE_FRONT_END)
        assert all(words in line for words, line in zip(BY_THE_FRONT_END, told, strict=True))
        DOORS[door](server, tensors)
        DOORS[door](server, {CATEGORICAL: tensors[CATEGORICAL]})  # refused by the model, which counts it
        assert said().count("Infer failed: ") == len(told)
    quiet = Path(server.log_path).stat().st_size
    DOORS[door](server, widened(tensors))
    assert Path(server.log_path).stat().st_size == quiet


def test_what_is_no_number_in_json_is_in_the_log_too(server, tensors):
    with verbose(server) as said:
        assert post(server, "ctr", body(tensors).replace(b"NaN", b"null")).status == 500
        assert f"Infer failed: {REFUSED_NUMBER}{MISSING}" in said()


def body(tensors: Tensors) -> bytes:
    """A request in JSON whose first number is missing, as Python writes it."""
    numbers = tensors[NUMERIC].copy()
    numbers[0, 0] = np.nan
    inputs = [
        {"name": CATEGORICAL, "datatype": "BYTES", "shape": list(tensors[CATEGORICAL].shape),
         "data": [value.decode() for value in tensors[CATEGORICAL].ravel()]},
        {"name": NUMERIC, "datatype": "FP32", "shape": list(numbers.shape), "data": numbers.ravel().tolist()},
    ]  # fmt: skip
    return json.dumps({"inputs": inputs}).encode()


def test_a_missing_number_is_nan_in_json_and_null_is_not_understood(server, tensors):
    """Triton reads and writes NaN, which JSON does not have; docs/operations.md says what to send instead of null."""
    sent = body(tensors)
    assert sent.count(b"NaN") == 1
    answer = post(server, "ctr", sent)
    assert answer.status == 200
    missing = tensors | {NUMERIC: tensors[NUMERIC].copy()}
    missing[NUMERIC][0, 0] = np.nan
    found = next(output["data"] for output in json.loads(answer.data)["outputs"] if output["name"] == "probability")
    assert np.abs(np.array(found) - over_grpc(server, missing).probability).max() <= 1e-6
    assert abs(found[0] - over_json(server, tensors).probability[0]) > 1e-6  # it was not missing there
    refused = post(server, "ctr", sent.replace(b"NaN", b"null"))
    assert (refused.status, json.loads(refused.data)["error"]) == (500, f"{REFUSED_NUMBER}{MISSING}")

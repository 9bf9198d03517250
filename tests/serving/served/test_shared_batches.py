"""Requests that Triton joins into one batch do not suffer from each other."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import urllib3

from contracts.serving.request import CATEGORICAL, NUMERIC
from serving.server.secret import http_headers
from serving.server.server import TritonServer
from tests.serving.doors import Reply, Tensors, over_grpc, over_http, packed
from tests.serving.pictures import encoded, noise
from tests.serving.served_world import exported_with, secret_of, serving
from tests.serving.strict_world import STRICT_LIMITS

pytestmark = pytest.mark.triton
DELAY_US = 300_000
TRIES = 5


@pytest.fixture(scope="module")
def patient_server(strict_exported, tmp_path_factory):
    """A server that waits for company: what is sent within the delay shares a batch."""
    folder = tmp_path_factory.mktemp("patient")
    limits = STRICT_LIMITS | {"max_queue_delay_us": DELAY_US, "instances": 1}
    with serving(folder, exported_with(strict_exported, folder / "repository", **limits)) as running:
        yield running


def batches(server: TritonServer, model: str) -> int:
    """How many batches the model was given."""
    url = f"{server.http_url}/v2/models/{model}/stats"
    headers = {"Connection": "close", **http_headers(secret_of(server))}
    return json.loads(urllib3.request("GET", url, headers=headers).data)["model_stats"][0]["execution_count"]


def broken(tensors: Tensors, name: str, place: tuple[int, int], value: bytes | float) -> Tensors:
    copy = tensors[name].copy()
    copy[place] = value
    return tensors | {name: copy}


def ask_together(server: TritonServer, requests: list[Tensors], model: str = "ctr") -> list[Reply]:
    """Replies to requests that shared one batch of that model; on a busy machine they may have to meet again."""
    doors = [over_grpc if i % 3 else over_http for i in range(len(requests))]
    with ThreadPoolExecutor(len(requests)) as pool:
        for _ in range(TRIES):
            before = batches(server, model)
            replies = list(pool.map(lambda door, tensors: door(server, tensors), doors, requests))
            if batches(server, model) == before + 1:
                return replies
    raise AssertionError(f"{len(requests)} requests never shared a batch")


def test_bad_values_fail_alone_among_good_requests_of_the_same_batch(patient_server, strict_spec, strict_rows):
    good = [packed(strict_rows[i : i + 1 + i % 3], strict_spec) for i in range(8)]
    alone = [over_grpc(patient_server, tensors).probability for tensors in good[:3]]
    bad = {
        "column 'site', row 1: '\ufffd' breaks the rule encoding": broken(good[1], CATEGORICAL, (1, 0), b"\xff"),
        "column 'view', row 1: 'many' breaks the rule dtype": broken(good[2], CATEGORICAL, (1, 3), b"many"),
        "column 'device', row 0: '' breaks the rule not_null": broken(good[0], CATEGORICAL, (0, 1), b""),
        "column 'age', row 0: inf breaks the rule finite": broken(good[0], NUMERIC, (0, 0), np.inf),
    }
    replies = ask_together(patient_server, [*good[:4], *bad.values(), *good[4:]])
    for sentence, reply in zip(bad, replies[4:8], strict=True):
        assert reply.code == "INVALID_ARGUMENT"
        assert reply.error.startswith(sentence)
    answered = replies[:4] + replies[8:]
    assert [len(reply.probability) for reply in answered] == [1 + i % 3 for i in range(8)]
    for reply, expected in zip(answered, alone, strict=False):
        assert np.abs(reply.probability - expected).max() <= 1e-6


def test_a_broken_image_fails_alone_among_good_ones_of_the_same_batch(patient_server, strict_spec, strict_rows):
    rows = strict_rows[:2].with_columns(ad=77)
    good = [packed(rows, strict_spec, [encoded(color=(9, 9, 9 * i)), b""]) for i in range(4)]
    alone = [over_grpc(patient_server, tensors).probability for tensors in good]
    assert len({p[0] for p in alone}) == 4
    bad = packed(rows, strict_spec, [encoded(color=(9, 9, 9)), noise(40)[:-1000]])
    replies = ask_together(patient_server, [*good[:2], bad, *good[2:]], "ctr_careful")
    assert replies[2].code == "INVALID_ARGUMENT"
    assert replies[2].error.startswith("input 'creative_image', row 1: the image is cut short or broken")
    for reply, expected in zip(replies[:2] + replies[3:], alone, strict=True):
        assert np.abs(reply.probability - expected).max() <= 1e-6

"""The backend in serving/native answers plain requests by itself, and together with `ctr_careful` as that does alone."""

import hashlib
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
import tritonclient.grpc as triton

from contracts.serving.journal import KEY
from contracts.serving.request import CATEGORICAL, IMAGE, NUMERIC
from serving.client import CtrClient
from stages.scoring.scorer import score_split
from tests.serving.doors import DOORS, Tensors, ask_grpc, by_name, over_grpc, over_http, packed
from tests.serving.metrics import scrape, total
from tests.serving.pictures import encoded
from tests.serving.served_world import REPOSITORY, exported_with, request_spec, serving, wait_for
from tests.serving.strict_world import STRICT_LIMITS

pytestmark = pytest.mark.triton
ALLOWED = 1e-6
STRINGS = [
    b"", b"NA", b"-1", b"3", b" 3 ", b"3.0", b"+4", b"007", b"21", b"-2", b"many", b"true", b"YES", b"f", b"maybe", b"0",
    b"site 1", b"site 9", b"device 0", b"device 99", "\u00e9\u00e8".encode(), "\u2603 snow".encode(), "\U0001f600".encode(),
    b"x" * 12, b"x" * 13, b"x" * 100, b"x" * 101, b"x" * 300, "\u00e9".encode() * 12, b"a\x00b", b"\x00", b"a\x1fb",
    b"\x1f\x1f!!", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x98", b"tail \xf0\x9f\x98",
]  # fmt: skip
NUMBERS = [999_999_999.0, 0.0, -0.0, 1.0, 2.5, 40.0, 119.99, 120.0, 120.1, 999.0, -1.0, np.nan, np.inf, -np.inf, 3.4e38, 1e-40]


def odd_requests(spec, rows, number: int) -> list[Tensors]:
    """Requests of one to six rows, some with no, one or several odd values."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(number):
        start, size = rng.integers(len(rows) - 6), rng.integers(1, 7)
        tensors = packed(rows[int(start) : int(start + size)], spec)
        for name, values in ((CATEGORICAL, STRINGS), (NUMERIC, NUMBERS)):
            tensors[name] = tensors[name].copy()
            for _ in range(rng.choice([0, 0, 1, 1, 4])):
                place = tuple(rng.integers(tensors[name].shape))
                tensors[name][place] = values[rng.integers(len(values))]
        found.append(tensors)
    return found


@pytest.mark.parametrize("number", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_both_models_say_the_same_of_any_request(strict_server, strict_spec, strict_rows, number):
    """Many at once, so that plain requests and others share batches in every order."""
    requests = odd_requests(strict_spec, strict_rows, number)
    with triton.InferenceServerClient(strict_server.grpc_url) as client, ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda tensors: ask_grpc(client, tensors, "ctr"), requests))
        expected = [ask_grpc(client, tensors, "ctr_careful") for tensors in requests]
    for tensors, reply, right in zip(requests, replies, expected, strict=True):
        assert (reply.code, reply.error) == (right.code, right.error), tensors
        if reply.code == "OK":
            assert np.abs(reply.probability - right.probability).max() <= ALLOWED, tensors
            assert reply.version.tolist() == right.version.tolist()
    outcomes = Counter(reply.code for reply in replies)
    assert set(outcomes) == {"OK", "INVALID_ARGUMENT"} and min(outcomes.values()) > number / 4


@pytest.fixture(scope="module")
def quiet_server(strict_exported, tmp_path_factory):
    """A server of which nobody else asks anything."""
    folder = tmp_path_factory.mktemp("quiet")
    with serving(folder, exported_with(strict_exported, folder / "repository", **STRICT_LIMITS)) as running:
        yield running


def careful_requests(server) -> float:
    return total(scrape(server), "nv_inference_request_success", model="ctr_careful")


def test_plain_requests_are_answered_without_python_and_others_with_it(quiet_server, strict_spec, strict_rows):
    warm_ups = careful_requests(quiet_server)
    for door in (over_grpc, over_http):
        tensors = packed(strict_rows[:5].with_columns(device=pl.lit("never seen"), ad=1, view=5), strict_spec)
        assert door(quiet_server, tensors, declaration=strict_spec.digest).code == "OK"
    assert careful_requests(quiet_server) == warm_ups
    assert over_grpc(quiet_server, packed(strict_rows[:1], strict_spec, [encoded(color=(9, 9, 9))])).code == "OK"
    wait_for(lambda: careful_requests(quiet_server) == warm_ups + 1, 5, "the image was looked at")


def test_only_the_outputs_that_are_asked_for_are_sent(quiet_server, strict_spec, strict_rows):
    inputs = []
    for name, values in packed(strict_rows[:3], strict_spec).items():
        inputs.append(triton.InferInput(name, list(values.shape), "BYTES" if name == CATEGORICAL else "FP32"))
        inputs[-1].set_data_from_numpy(values)
    with triton.InferenceServerClient(quiet_server.grpc_url) as client:
        for wanted in ("probability", "model_version"):
            answer = client.infer("ctr", inputs, outputs=[triton.InferRequestedOutput(wanted)])
            assert [output.name for output in answer.get_response().outputs] == [wanted]
            assert answer.as_numpy(wanted).shape == (3, 1)


def without(lines: list[str], key: str) -> list[str]:
    """The lines but for the last of a kind."""
    last = max(i for i, line in enumerate(lines) if line.split()[0] == key)
    return lines[:last] + lines[last + 1 :]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda lines: ["format 9", *lines[1:]],
            "native.txt: another format than this server reads, which is 'format 2'",
        ),
        (
            lambda lines: [lines[0], "shape 3", *lines[1:]],
            "native.txt: line 2 is not understood: no such line is known, got",
        ),
        (lambda lines: lines[:-1], "native.txt: it ends too early, there is no line 'end'; export the model again"),
        (lambda lines: without(lines, "field"), r"cat_idx of ctr_packed.onnx is int64 \[rows, (\d+)\], native.txt implies int64"),
        (lambda lines: without(lines, "feeds_text"), "native.txt: line 'feeds_text' is missing; export the model again"),
    ],
)
def test_settings_that_are_not_understood_keep_the_model_from_loading(strict_exported, tmp_path, change, words):
    repository = exported_with(strict_exported, tmp_path / "repository", **STRICT_LIMITS)
    version = repository / "ctr/1"
    changed = "\n".join(change((version / "native.txt").read_text().splitlines())) + "\n"
    (version / "native.txt").write_text(changed)
    manifest = json.loads((version / "package.json").read_text())
    manifest["files"]["native.txt"] = hashlib.sha256(changed.encode()).hexdigest()
    (version / "package.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=words), serving(tmp_path, repository):
        pass


@pytest.mark.parametrize("world", ["numbers", "strings", "images_alone", "no_images", "lists", "computed"])
def test_it_serves_models_without_strings_numbers_or_images(exported_as, tmp_path, world):
    folder = exported_as(world)
    rows = pl.read_parquet(folder / "data/split/test.parquet", n_rows=200)
    expected = score_split(folder / "artifacts/export", folder / "data/split/test.parquet")[:200]
    spec = request_spec(folder)
    offered = {CATEGORICAL: spec.categorical, NUMERIC: spec.numeric, IMAGE: spec.creative}
    with serving(tmp_path, folder / REPOSITORY) as server:
        for door in DOORS.values():
            assert np.abs(door(server, packed(rows, spec)).probability - expected).max() <= ALLOWED
            assert np.abs(door(server, by_name(rows, spec), "ctr_by_name").probability - expected).max() <= ALLOWED
        with CtrClient(server.grpc_url) as client, CtrClient(server.http_url, "http") as other:
            assert np.abs(client.predict(rows).probability - expected).max() <= ALLOWED
            assert np.abs(other.predict(rows.to_arrow()).probability - expected).max() <= ALLOWED
        with triton.InferenceServerClient(server.grpc_url) as client:
            config = client.get_model_config("ctr", as_json=True)["config"]
        assert [value["name"] for value in config["input"]] == [*(name for name, columns in offered.items() if columns), KEY]


def test_without_the_backend_the_python_model_is_the_door(strict_exported, strict_spec, strict_rows, tmp_path):
    repository = exported_with(strict_exported, tmp_path / "repository", **STRICT_LIMITS, native=False)
    assert not (repository / "ctr_careful").exists()
    with serving(tmp_path, repository) as server:
        assert over_grpc(server, packed(strict_rows, strict_spec)).code == "OK"

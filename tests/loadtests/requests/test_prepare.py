"""Requests are drawn by their shares, written as bytes and read back; malformed ones exist for every declaration."""

import json

import numpy as np
import pytest
from pydantic import TypeAdapter
from tritonclient.grpc import service_pb2

from contracts.dataset.declaration import Declaration
from contracts.serving.request import CATEGORICAL, IMAGE, NUMERIC, request_of
from loadtests.requests.bodies import binary_body, fits_json, grpc_body, json_body
from loadtests.requests.pool import read_pool, write_pool
from loadtests.requests.prepare import apportion, as_strangers, draw, stranger
from loadtests.requests.prepared_request import PreparedRequest
from loadtests.requests.right_answers import joined
from loadtests.requests.spoiled import ways
from loadtests.requests.traffic import TrafficRows
from loadtests.settings import load_settings
from tests.serving.strict_world import strict_declaration
from tests.stages.declared_worlds import DECLARATIONS
from tests.stages.pipeline_world import declaration

TEXTS = np.array([["a", "ü"], ["", "b"]], dtype=object)
NUMBERS = np.array([[1.5], [np.nan]], dtype=np.float32)
TENSORS = {CATEGORICAL: ("BYTES", TEXTS), NUMERIC: ("FP32", NUMBERS)}


def spec_of(values: dict):
    return request_of(TypeAdapter(Declaration).validate_python(values))


def traffic(values: dict, images: dict[str, bytes] | None = None, num_rows: int = 40) -> TrafficRows:
    """Rows whose values say where they come from."""
    spec = spec_of(values)
    ids = np.array([f"ad{row % 7}" for row in range(num_rows)], dtype=object)
    categorical = [ids if c.name == spec.creative else np.full(num_rows, "1", dtype=object) for c in spec.categorical]
    return TrafficRows(
        spec=spec,
        categorical_NC=np.stack(categorical, axis=1) if categorical else None,
        numeric_NM=np.tile(np.arange(num_rows, dtype=np.float32)[:, None], len(spec.numeric)) if spec.numeric else None,
        creative_N=None if spec.creative is None else ids,
        images=images or {},
    )


def test_sizes_have_their_shares():
    sizes = apportion({1: 0.5, 8: 0.2, 16: 0.2, 64: 0.1}, 200)
    assert [sizes.count(size) for size in (1, 8, 16, 64)] == [100, 40, 40, 20]
    assert len(apportion({1: 1, 2: 1, 3: 1}, 4)) == 4 and apportion({1: 3, 2: 0}, 5) == [1] * 5


def test_a_request_keeps_its_values_in_every_language():
    grpc = service_pb2.ModelInferRequest.FromString(grpc_body(TENSORS, "d1")[0])
    assert [(one.name, one.datatype, [*one.shape]) for one in grpc.inputs] == [
        ("categorical", "BYTES", [2, 2]),
        ("numeric", "FP32", [2, 1]),
    ]
    strings = b"\1\0\0\0a\2\0\0\0\xc3\xbc\0\0\0\0\1\0\0\0b"
    assert [*grpc.raw_input_contents] == [strings, NUMBERS.tobytes()] and grpc.parameters["declaration"].string_param == "d1"
    body, header_length = binary_body(TENSORS, "d1")
    header = json.loads(body[:header_length])
    assert body[header_length:] == strings + NUMBERS.tobytes() and header["parameters"]["declaration"] == "d1"
    assert [one["parameters"]["binary_data_size"] for one in header["inputs"]] == [len(strings), 8]
    plain = json.loads(json_body(TENSORS, "d1")[0])
    assert plain["inputs"][0]["data"] == ["a", "ü", "", "b"] and plain["inputs"][1]["data"][0] == 1.5


def test_a_pool_is_read_as_it_was_written(tmp_path):
    expected = np.array([0.1, 0.2], dtype=np.float32)
    good = PreparedRequest(kind="http_json", malformed=False, num_rows=2, header_length=0, body=b"12345", expected_N=expected)
    bad = PreparedRequest(kind="http_binary", malformed=True, num_rows=9, header_length=3, body=b"678", expected_N=expected[:0])
    other = PreparedRequest(kind="http_json", malformed=False, num_rows=1, header_length=0, body=b"", expected_N=expected[1:])
    write_pool(tmp_path, [good, bad, other])
    pools = read_pool(tmp_path)
    assert {*pools} == {"http_json", "http_binary"} and pools["http_json"].malformed == []
    for read, written in zip([*pools["http_json"].good, *pools["http_binary"].malformed], [good, other, bad], strict=True):
        assert (read.kind, read.malformed, read.num_rows, read.header_length, read.body) == (
            written.kind, written.malformed, written.num_rows, written.header_length, written.body
        )  # fmt: skip
        assert read.expected_N.tolist() == written.expected_N.tolist()


def test_creatives_that_come_with_an_image_are_strangers_to_the_model():
    sent = traffic(declaration(), {"ad3": b"image"}).payload(np.arange(7), with_images=True).tensors
    found = as_strangers(sent, spec_of(declaration()))
    place = [c.name for c in spec_of(declaration()).categorical].index("ad")
    assert found[CATEGORICAL][1][:, place].tolist() == ["ad0", "ad1", "ad2", "new ad3", "ad4", "ad5", "ad6"]
    assert sent[CATEGORICAL][1][3, place] == "ad3" and found[IMAGE] is sent[IMAGE]
    assert stranger("12", "int", None, None) == "900000000012" and stranger("12", "int", 50.0, None) == "50"
    assert stranger("abcdef", "string", None, 6) == "new ab"


def test_images_are_drawn_by_their_share_and_rows_are_joined_in_order():
    config = load_settings("smoke", ["image_share=0.25", "bodies_per_kind=40", "rows_per_request={1: 1, 4: 1}"])
    drawn = draw(np.random.default_rng(0), config, traffic(declaration(), {"ad3": b"image"}))
    assert [sum(one.with_image for one in drawn), len(drawn)] == [10, 40]
    together = joined(drawn)
    rows = np.concatenate([one.rows_N for one in drawn])
    assert together[NUMERIC][:, 0].tolist() == rows.tolist()
    with_image = np.concatenate([np.full(len(one.rows_N), one.with_image) for one in drawn])
    shown = together[IMAGE][:, 0] == b"image"
    assert (shown == (with_image & (rows % 7 == 3))).all() and shown.any()


@pytest.mark.parametrize("values", [declaration(), strict_declaration(), *DECLARATIONS.values()])
def test_every_declaration_has_requests_that_must_be_refused(values):
    source = traffic(values)
    spec, used = source.spec, frozenset(c.name for c in source.spec.columns)
    good = source.payload(np.arange(3)).tensors
    found = {way: make(good) for way, make in ways(spec, used).items()}
    assert {"declaration", "width"} <= {*found} and ("encoding" in found) == bool(spec.categorical)
    assert ("infinite" in found) == bool(spec.numeric) and ("no_image" in found) == (spec.creative is not None)
    assert ("below_min" in found) == any(c.min is not None for c in spec.numeric)
    for way, spoiled in found.items():
        assert (spoiled.digest != spec.digest) == (way == "declaration")
        changed = {name for name in {*good, *spoiled.tensors} if good.get(name) is not spoiled.tensors.get(name)}
        assert len(changed) == (way != "declaration"), way
        assert fits_json(spoiled.tensors) == (way not in ("encoding", "no_image", "cut_image"))
    fresh = source.payload(np.arange(3)).tensors
    assert all(np.array_equal(tensor, fresh[name][1]) for name, (_, tensor) in good.items())  # spoiling changes a copy


def test_rules_of_columns_that_the_model_does_not_use_are_left_alone():
    spec = spec_of(strict_declaration())
    assert {"no_number", "too_long"} <= {*ways(spec, frozenset({"site", "view"}))}
    assert not {"no_number", "too_long"} & {*ways(spec, frozenset({"device"}))}

"""Every answer is judged: what is wrong is a failure, in each of the server's languages."""

import json

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from loadtests.requests.prepared_request import KINDS, PreparedRequest
from loadtests.verdicts.answers import Judge, Reply

RIGHT = np.array([0.25, 0.5], dtype=np.float32)
JUDGE = Judge(version=3, tolerance=1e-6)
FULL = "[request id: <id_unknown>] overloaded: too many requests are waiting"


def request(kind: str, malformed: bool = False) -> PreparedRequest:
    expected_N = RIGHT[:0] if malformed else RIGHT
    return PreparedRequest(kind=kind, malformed=malformed, num_rows=2, header_length=0, body=b"", expected_N=expected_N)


def reply(kind: str, probability, version=(3, 3), shape=(2, 1)) -> Reply:
    outputs = [
        ("probability", "FP32", np.array(probability, np.float32)),
        ("model_version", "INT64", np.array(version, np.int64)),
        ("prediction_id", "BYTES", np.frombuffer(b"\2\0\0\0id", np.uint8)),  # a server that keeps a journal sends it too
    ]
    if kind == "grpc":
        answer = service_pb2.ModelInferResponse()
        for name, datatype, values in outputs:
            answer.outputs.add(name=name, datatype=datatype, shape=shape)
            answer.raw_output_contents.append(values.tobytes())
        return Reply("OK", answer)
    described = [{"name": name, "datatype": datatype, "shape": shape} for name, datatype, _ in outputs]
    if kind == "http_json":
        data = [{"data": values.tolist()} for *_, values in outputs]
        return Reply("OK", json.dumps({"outputs": [a | b for a, b in zip(described, data, strict=True)]}).encode())
    sizes = [{"parameters": {"binary_data_size": values.nbytes}} for *_, values in outputs]
    header = json.dumps({"outputs": [a | b for a, b in zip(described, sizes, strict=True)]}).encode()
    return Reply("OK", header + b"".join(values.tobytes() for *_, values in outputs), len(header))


@pytest.mark.parametrize("kind", KINDS)
def test_a_right_answer_is_right_and_says_which_version_gave_it(kind):
    verdict = JUDGE.verdict(request(kind), reply(kind, RIGHT))
    assert (verdict.outcome, verdict.reason, verdict.version) == ("ok", "", 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (([0.25, 0.50001],), "probabilities differ from those before the load"),
        (([0.5, 0.25],), "probabilities differ"),
        (([0.25, np.nan],), "not between 0 and 1"),
        (([0.25, 1.5],), "not between 0 and 1"),
        (([0.25],), "another shape than the request"),
        (([0.25, 0.5], (3, 3), (1, 2)), "another shape than the request"),
        (([0.25, 0.5], (3, 4)), "two model versions"),
    ],
)
def test_a_wrong_answer_is_a_failure(kind, answer, reason):
    verdict = JUDGE.verdict(request(kind), reply(kind, *answer))
    assert verdict.outcome == "wrong" and reason in verdict.reason and verdict.reason.startswith(f"{kind}: ")


@pytest.mark.parametrize("kind", KINDS)
def test_of_another_model_only_shape_and_range_are_judged(kind):
    assert JUDGE.verdict(request(kind), reply(kind, [0.9, 0.1], (4, 4))).outcome == "ok"
    assert JUDGE.verdict(request(kind), reply(kind, [0.9, 1.1], (4, 4))).outcome == "wrong"
    assert JUDGE.verdict(request(kind), reply(kind, [0.9], (4,))).outcome == "wrong"


@pytest.mark.parametrize("content", [b"", b"not JSON", b"{}", b'{"outputs": [{"name": "probability"}]}', b"[1]"])
@pytest.mark.parametrize("kind", ["http_binary", "http_json"])
def test_what_cannot_be_read_is_wrong(kind, content):
    verdict = JUDGE.verdict(request(kind), Reply("OK", content, len(content)))
    assert verdict.outcome == "wrong" and "cannot be read" in verdict.reason


@pytest.mark.parametrize("kind", KINDS)
def test_a_malformed_request_has_to_be_refused(kind):
    malformed = request(kind, malformed=True)
    assert JUDGE.verdict(malformed, reply(kind, RIGHT)).outcome == "answered_malformed"
    assert JUDGE.verdict(malformed, Reply("INVALID_ARGUMENT" if kind == "grpc" else "400")).outcome == "refused"
    assert JUDGE.verdict(malformed, Reply("INTERNAL" if kind == "grpc" else "500", words="oh")).outcome == "failed"


@pytest.mark.parametrize(
    ("code", "words", "outcome"),
    [
        ("UNAVAILABLE", FULL, "overloaded"),
        ("503", FULL, "overloaded"),
        ("503", "overloaded: too many", "overloaded"),
        ("429", "", "overloaded"),
        ("RESOURCE_EXHAUSTED", "", "overloaded"),
        ("UNAVAILABLE", "failed to connect to all addresses; Connection refused", "failed"),
        ("503", "no healthy upstream", "failed"),
        ("INVALID_ARGUMENT", "column 'age'", "failed"),
        ("400", "column 'age'", "failed"),
        ("DEADLINE_EXCEEDED", "", "failed"),
        ("TIMEOUT", "no answer within 5 s", "failed"),
    ],
)
def test_a_full_queue_is_told_from_a_failure(code, words, outcome):
    verdict = JUDGE.verdict(request("grpc"), Reply(code, words=words))
    assert verdict.outcome == outcome and verdict.reason.startswith(f"grpc: {code}: ")
    assert JUDGE.verdict(request("grpc", malformed=True), Reply("UNAVAILABLE", words=FULL)).outcome == "overloaded"

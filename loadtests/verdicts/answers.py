"""Reads what the server said, in each of its languages, and judges it: an answer that is wrong is a failure.

Shape letters: N rows.
"""

import json
from dataclasses import dataclass

import numpy as np
from tritonclient.grpc import service_pb2

from contracts.serving.request import MODEL_VERSION, PROBABILITY
from loadtests.requests.prepared_request import PreparedRequest

REFUSED = ("INVALID_ARGUMENT", "400", "404", "413", "422")
BUSY = ("RESOURCE_EXHAUSTED", "429")
QUEUE = ("UNAVAILABLE", "503")  # also what a server says that is not there, so its words decide
QUEUE_WORDS = ("overloaded: ",)
LONGEST_REASON = 160
DTYPES = {"FP32": "<f4", "INT64": "<i8"}


class NoAnswer(ValueError):
    """What came back is no answer to the request; the text says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: a code ("OK" or gRPC's or HTTP's), and with it the answer or the server's words."""

    code: str
    content: bytes | service_pb2.ModelInferResponse | None = None
    header_length: int = 0  # of binary HTTP
    words: str = ""


@dataclass(frozen=True, slots=True)
class AnswerVerdict:
    outcome: str  # of samples.OUTCOMES
    reason: str = ""
    version: int | None = None  # of the model that answered


@dataclass(frozen=True)
class Judge:
    """Knows which model version gave the right answers; of another's answers only shape and range are judged."""

    version: int
    tolerance: float
    challenger: int | None = None  # whose answers are right beside that version's

    def verdict(self, request: PreparedRequest, reply: Reply) -> AnswerVerdict:
        if reply.code != "OK":
            return not_answered(request, reply)
        if request.malformed:
            return AnswerVerdict("answered_malformed", f"{request.kind}: a malformed request was answered")
        try:
            probability_N, version = read_answer(request, reply)
        except NoAnswer as error:
            return AnswerVerdict("wrong", f"{request.kind}: {error}")
        if not ((probability_N >= 0) & (probability_N <= 1)).all():
            return AnswerVerdict("wrong", f"{request.kind}: a probability is not between 0 and 1", version)
        expected_N = self._expected(request, version)
        if expected_N is not None and not (np.abs(probability_N - expected_N) <= self.tolerance).all():
            sentence = "probabilities differ from those before the load by more than the tolerance"
            return AnswerVerdict("wrong", f"{request.kind}: {sentence}", version)
        return AnswerVerdict("ok", "", version)

    def _expected(self, request: PreparedRequest, version: int) -> np.ndarray | None:
        """What this version has to say; None if nobody knows."""
        if version == self.version:
            return request.expected_N
        return request.challenger_N if version == self.challenger else None


def not_answered(request: PreparedRequest, reply: Reply) -> AnswerVerdict:
    full = reply.code in QUEUE and any(words in reply.words for words in QUEUE_WORDS)
    reason = f"{request.kind}: {reply.code}: {' '.join(reply.words.split())[:LONGEST_REASON]}"
    if full or reply.code in BUSY:
        return AnswerVerdict("overloaded", reason)
    if request.malformed and reply.code in REFUSED:
        return AnswerVerdict("refused")
    return AnswerVerdict("failed", reason)


def read_answer(request: PreparedRequest, reply: Reply) -> tuple[np.ndarray, int]:
    """Probabilities [N] and the model's version, which is one for all rows. Raises NoAnswer."""
    try:
        outputs = READERS[request.kind](reply)
        found = [outputs[name] for name in (PROBABILITY, MODEL_VERSION)]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise NoAnswer(f"an answer that cannot be read ({type(error).__name__})") from None
    shapes = [shape for shape, _ in found]
    if shapes != [[request.num_rows, 1]] * 2 or any(values.shape != (request.num_rows,) for _, values in found):
        raise NoAnswer("an answer of another shape than the request")
    (_, probability_N), (_, version_N) = found
    if (version_N != version_N[0]).any():
        raise NoAnswer("an answer of two model versions")
    return probability_N, int(version_N[0])


Outputs = dict[str, tuple[list[int], np.ndarray]]  # shape and values in one row, by name; texts are left out


def _of_grpc(reply: Reply) -> Outputs:
    outputs, contents = reply.content.outputs, reply.content.raw_output_contents
    return {
        output.name: ([*output.shape], np.frombuffer(content, dtype=DTYPES[output.datatype]))
        for output, content in zip(outputs, contents, strict=True)
        if output.datatype in DTYPES
    }


def _of_binary(reply: Reply) -> Outputs:
    found, start = {}, reply.header_length
    for output in json.loads(reply.content[:start])["outputs"]:
        end = start + output["parameters"]["binary_data_size"]
        if (dtype := DTYPES.get(output["datatype"])) is not None:
            found[output["name"]] = (output["shape"], np.frombuffer(reply.content[start:end], dtype=dtype))
        start = end
    return found


def _of_json(reply: Reply) -> Outputs:
    outputs = json.loads(reply.content)["outputs"]
    return {
        output["name"]: (output["shape"], np.array(output["data"], dtype=DTYPES[output["datatype"]]))
        for output in outputs
        if output["datatype"] in DTYPES
    }


READERS = {"grpc": _of_grpc, "http_binary": _of_binary, "http_json": _of_json}

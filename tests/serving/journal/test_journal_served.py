"""Every answer is in the journal once, whatever door it came through, and both models write the same."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
import tritonclient.grpc as triton

from serving.client import CtrClient
from tests.serving.doors import DOORS, ask_grpc, by_name, over_grpc, packed
from tests.serving.journal.journalled import journalling
from tests.serving.native.test_native import odd_requests
from tests.serving.pictures import encoded
from tests.serving.served_world import exported_with
from tests.serving.strict_world import STRICT_LIMITS

pytestmark = pytest.mark.triton
SAME = ("strings", "numbers", "ids", "key", "event_ns", "request_id", "image_sha256", "release", "arm", "route")


@pytest.fixture(scope="module", params=[True, False], ids=["native", "python"])
def journalled(request, strict_exported, tmp_path_factory):
    """A server with a journal: `ctr` is the backend in C, or the Python model."""
    folder = tmp_path_factory.mktemp("journalled")
    repository = exported_with(strict_exported, folder / "repository", native=request.param, **STRICT_LIMITS)
    with journalling(folder, repository) as running:
        yield running


def by_id(rows):
    found = {}
    for row in rows:
        found.setdefault(row["prediction_id"], []).append(row)
    return found


def test_each_door_writes_each_answer_once(journalled, strict_spec, strict_rows):
    before = len(journalled.rows())
    replies = {}
    for name, door in DOORS.items():
        for model, tensors in (
            ("ctr", packed(strict_rows[:3], strict_spec)),
            ("ctr_by_name", by_name(strict_rows[3:5], strict_spec)),
        ):
            tensors["key"] = np.array(
                [[f"{name} {i}".encode()] for i in range(len(tensors["visits" if "visits" in tensors else "numeric"]))],
                dtype=object,
            )
            replies[name, model] = door(journalled.server, tensors, model, event_time_ms=1_700_000_000_123)
    image = encoded(color=(9, 9, 9))
    replies["image", "ctr"] = over_grpc(journalled.server, packed(strict_rows[5:6].with_columns(ad=77), strict_spec, [image]))
    rows = by_id(journalled.rows()[:])
    assert len({reply.prediction_id for reply in replies.values()}) == len(replies) == 7
    for (name, _), reply in replies.items():
        found = rows[reply.prediction_id]
        assert [row["row"] for row in found] == [*range(len(reply.probability))]
        assert [row["outputs"][0] for row in found] == reply.probability.tolist()
        assert [row["release"] for row in found] == reply.version.tolist()
        if name != "image":
            assert [row["key"] for row in found] == [f"{name} {i}" for i in range(len(found))]
            assert {row["event_ns"] for row in found} == {1_700_000_000_123_000_000}
    assert rows[replies["image", "ctr"].prediction_id][0]["image_sha256"] is not None
    assert len(journalled.rows()) == before + 3 * 5 + 1


def test_many_at_once_are_written_as_they_came_and_refusals_without_their_content(journalled, strict_spec, strict_rows):
    requests = odd_requests(strict_spec, strict_rows, 400)
    known, refused = len(journalled.rows()), Counter(r["rule"] for r in journalled.refusals())
    with triton.InferenceServerClient(journalled.server.grpc_url) as client, ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda tensors: ask_grpc(client, tensors, "ctr"), requests))
    rows = by_id(journalled.rows())
    answered = 0
    for tensors, reply in zip(requests, replies, strict=True):
        if reply.code != "OK":
            continue
        answered += len(reply.probability)
        found = rows[reply.prediction_id]
        assert [row["outputs"][0] for row in found] == reply.probability.tolist()
        assert [[text.encode() for text in row["strings"]] for row in found] == tensors["categorical"].tolist()
        numbers = np.array([row["numbers"] for row in found], dtype=np.float32)
        assert numbers.tobytes() == np.ascontiguousarray(tensors["numeric"], dtype=np.float32).tobytes()
    assert sum(map(len, rows.values())) == known + answered
    new = Counter(r["rule"] for r in journalled.refusals()) - refused
    assert sum(new.values()) == sum(reply.code != "OK" for reply in replies) > 50
    assert {"max", "encoding", "dtype"} <= {*new} and "failed" not in new


def test_both_models_write_the_same(journalled, strict_spec, strict_rows):
    """What the backend in C writes, and what the Python model writes of the same requests."""
    if "ctr_careful" not in {path.name for path in (journalled.folder.parent / "models").iterdir()}:
        pytest.skip("there is one model only")
    requests = odd_requests(strict_spec, strict_rows, 200)
    for tensors in requests:
        tensors["key"] = np.array([[b"k"]] * len(tensors["numeric"]), dtype=object)
    with triton.InferenceServerClient(journalled.server.grpc_url) as client:
        pairs = [[ask_grpc(client, tensors, name, event_time_ms=5) for name in ("ctr", "ctr_careful")] for tensors in requests]
    rows, native = by_id(journalled.rows()), 0
    for one, other in pairs:
        assert one.code == other.code
        if one.code != "OK":
            continue
        native += one.prediction_id[-16:] != other.prediction_id[-16:]
        for ours, theirs in zip(rows[one.prediction_id], rows[other.prediction_id], strict=True):
            a, b = ([repr(row[name]) for name in SAME] for row in (ours, theirs))
            assert a == b
            assert abs(ours["outputs"][0] - theirs["outputs"][0]) <= 1e-6
    assert native > 50


def test_the_client_gets_ids_and_sends_keys_and_a_time(journalled, strict_rows):
    from datetime import UTC, datetime

    when = datetime(2026, 7, 1, 12, tzinfo=UTC)
    keys = [f"key {i}" for i in range(len(strict_rows))]
    with CtrClient(journalled.server.grpc_url) as client:
        answer = client.predict(strict_rows, keys=keys, event_time=when)
        with pytest.raises(ValueError, match="2 keys are given for 50 rows"):
            client.predict(strict_rows, keys=["a", "b"])
        with pytest.raises(ValueError, match="says no zone"):
            client.predict(strict_rows, event_time=datetime(2026, 7, 1))
    rows = {(row["prediction_id"], row["row"]): row for row in journalled.rows()}
    found = [rows[own, int(row)] for own, row in zip(answer.prediction_id, answer.request_row, strict=True)]
    assert [row["key"] for row in found] == keys
    assert {row["event_ns"] for row in found} == {int(when.timestamp() * 10**9)}
    assert np.array([row["outputs"][0] for row in found], dtype=np.float32).tolist() == answer.probability.tolist()
    assert all(len(row["request_id"]) == 36 for row in found)


@pytest.mark.parametrize("parameter", ["soon", 1.5, True, 2**62])
def test_an_event_time_that_is_none_is_refused(journalled, strict_spec, strict_rows, parameter):
    if isinstance(parameter, float):
        pytest.skip("Triton's clients send no float parameters over gRPC")
    reply = over_grpc(journalled.server, packed(strict_rows[:1], strict_spec), event_time_ms=parameter)
    assert reply.code == "INVALID_ARGUMENT" and "expected a whole number: milliseconds since 1970" in reply.error


def test_without_a_journal_answers_have_no_id(strict_server, strict_spec, strict_rows):
    for door in DOORS.values():
        reply = door(strict_server, packed(strict_rows[:2], strict_spec))
        assert reply.code == "OK" and reply.prediction_id is None
    with CtrClient(strict_server.grpc_url) as client:
        assert set(client.predict(strict_rows).prediction_id) == {""}


def test_what_is_made_parquet_is_what_was_written(strict_exported, strict_rows, tmp_path):
    with (
        journalling(tmp_path, exported_with(strict_exported, tmp_path / "repository", **STRICT_LIMITS), segment_s=0.3) as running,
        CtrClient(running.server.grpc_url) as client,
    ):
        answers = [client.predict(strict_rows[:n]) for n in (1, 17, 50)]
    table = running.served().sort("prediction_id", "row")
    expected = pl.concat(
        pl.DataFrame({"prediction_id": a.prediction_id.tolist(), "row": a.request_row, "probability": a.probability})
        for a in answers
    ).sort("prediction_id", "row")
    assert table.select("prediction_id", pl.col("row").cast(pl.Int32), "probability").equals(expected)
    assert (
        table.schema["view"] == table.schema["ad"] == table.schema["visits"] == pl.Int64 and table.schema["mobile"] == pl.Boolean
    )

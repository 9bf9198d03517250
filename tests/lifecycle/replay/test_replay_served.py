"""What a real server wrote down is computed again to the last bit, whatever door it came through."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
import tritonclient.grpc as triton

from lifecycle.journal.served import only_one, serve_segment, waiting
from lifecycle.replay.answer import replay_answer
from lifecycle.replay.by_key import answers_with
from lifecycle.replay.find import prediction_id
from serving.triton.journal.processor import processor
from tests.lifecycle.journal.second_reader import read
from tests.lifecycle.replay.replay_world import replayed
from tests.serving.doors import DOORS, ask_grpc, by_name, over_grpc, packed
from tests.serving.journal.journalled import journalling
from tests.serving.native.test_native import odd_requests
from tests.serving.pictures import encoded
from tests.serving.served_world import exported_with, wait_for
from tests.serving.strict_world import STRICT_LIMITS

pytestmark = pytest.mark.triton
NO_IMAGE, OTHER_TEXT = "the image that came with it is not kept", "its texts as they came are not known"


class Asked:
    """What a server was asked, and answered; it is gone."""


@pytest.fixture(scope="module", params=[True, False], ids=["native", "python"])
def asked(request, strict_exported, strict_spec, strict_rows, tmp_path_factory):
    """Odd requests at once, each door, and images, with a journal; `ctr` is the backend in C, or the Python model."""
    folder = tmp_path_factory.mktemp("asked")
    repository = exported_with(strict_exported, folder / "repository", native=request.param, **STRICT_LIMITS)
    found, odd = Asked(), odd_requests(strict_spec, strict_rows, 600)
    with journalling(folder, repository, segment_mib=0.02) as running:
        with triton.InferenceServerClient(running.server.grpc_url) as client, ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(lambda tensors: ask_grpc(client, tensors, "ctr"), odd))
        found.answered = [(t, reply) for t, reply in zip(odd, replies, strict=True) if reply.code == "OK"]
        found.doors = {}
        for name, door in DOORS.items():
            for model, tensors in (
                ("ctr", packed(strict_rows[:3], strict_spec)),
                ("ctr_by_name", by_name(strict_rows[3:5], strict_spec)),
            ):
                tensors["key"] = np.array(
                    [[f"{name} {model} {i}".encode()] for i in range(3 if model == "ctr" else 2)], dtype=object
                )
                found.doors[name, model] = door(running.server, tensors, model)
        found.image = encoded(color=(9, 200, 9))
        unknown, known = strict_rows[5:7].with_columns(ad=77), strict_rows[7:8].with_columns(ad=1)
        found.unknown = over_grpc(running.server, packed(unknown, strict_spec, [found.image, b""]))
        found.known = over_grpc(running.server, packed(known, strict_spec, [found.image]))
        found.journal, found.store = running.folder, folder / "models"
        assert len(running.segments()) > 3
    return found


def test_every_row_of_every_door_is_equal_to_the_last_bit(asked):
    totals = replayed(asked.journal, asked.store)
    number = sum(len(reply.probability) for _, reply in asked.answered) + 15 + 3
    assert totals.rows == number and totals.not_replayed == {}
    assert (totals.equal, totals.differing, totals.faults, totals.unread) == (number, 0, 0, [])
    alone = replayed(asked.journal, asked.store, may_join=False)
    assert (alone.equal, alone.faults) == (number, 0)


def test_batches_of_several_requests_with_rows_that_were_handed_on_or_are_not_known_are_among_them(asked):
    totals = replayed(asked.journal, asked.store)
    assert totals.handed_on > 0 or "ctr_careful" not in {path.name for path in asked.store.iterdir()}
    assert totals.partial > 0  # of requests that were refused
    assert totals.batches < len(asked.answered)


def test_each_answer_is_found_by_its_id(asked):
    for tensors, reply in asked.answered[::40]:
        report = replay_answer(asked.journal, asked.store, prediction_id(reply.prediction_id), None)
        assert [row.replayed for row in report.rows] == reply.probability.tolist() and not report.is_fault
        assert all(row.is_equal for row in report.rows)
        parts = {part.column: part for part in report.parts}
        site, device = tensors["categorical"][0][:2]
        assert (parts["site"].value or "", parts["device"].value or "") == (site.decode(), device.decode())


def test_keys_find_rows_before_and_after_they_are_parquet(asked):
    for (name, model), reply in asked.doors.items():
        for row in range(len(reply.probability)):
            (found,) = answers_with(asked.journal, f"{name} {model} {row}")
            assert (found.prediction_id, found.row, found.probability) == (reply.prediction_id, row, reply.probability[row])


def test_an_image_that_is_kept_is_looked_at_again(asked):
    unknown = prediction_id(asked.unknown.prediction_id)
    known = replay_answer(asked.journal, asked.store, prediction_id(asked.known.prediction_id), None)
    assert known.rows[0].is_equal  # the model did not look at it
    digest = hashlib.sha256(asked.image).hexdigest()
    path = asked.journal / "images" / digest[:2] / digest
    assert path.read_bytes() == asked.image
    try:
        path.write_bytes(asked.image + b"x")
        assert replay_answer(asked.journal, asked.store, unknown, 0).rows[0].why_not == NO_IMAGE  # damaged
        path.unlink()
        without = replay_answer(asked.journal, asked.store, unknown, None)
        assert [row.why_not for row in without.rows] == [NO_IMAGE, None] and without.log_odds is None
        path.write_bytes(asked.image)
        report = replay_answer(asked.journal, asked.store, unknown, None)
        assert [row.is_equal for row in report.rows] == [True, True]
        part = next(part for part in report.parts if part.column == "creative_image")
        assert part.value == digest and part.seen_as == "known" and abs(part.change) > 1e-3
        assert abs(report.log_odds - np.log(asked.unknown.probability[0] / (1 - asked.unknown.probability[0]))) < 1e-5
    finally:
        path.write_bytes(asked.image)


def test_headers_say_by_which_graph_and_processor(asked):
    for path in (asked.journal / "segments").glob("*.segment"):
        about = read(path)["about"]
        if about["model"] in ("ctr", "ctr_careful") and about["written_by"] == "python":
            assert about["processor"] == processor() and len(about["graph"]) == 64


def test_without_segments_parquet_gives_the_same_or_says_what_is_not_known(asked):
    """The last test: it removes the segments."""
    before = replayed(asked.journal, asked.store)

    def serve_all() -> bool:
        for path in waiting(asked.journal):
            serve_segment(asked.journal, path)
        return not [*(asked.journal / "segments").glob("*.segment")] or not waiting(asked.journal)

    with only_one(asked.journal):
        wait_for(serve_all, 20, "all segments are Parquet")
    for path in (asked.journal / "segments").glob("*.segment"):
        path.unlink()
    after = replayed(asked.journal, asked.store)
    assert after.rows == before.rows and after.faults == 0 and after.handed_on == 0
    lost = {why: rows for why, rows in after.not_replayed.items() if not why.startswith(NO_IMAGE)}
    assert after.equal == before.equal - sum(lost.values()) and all(why.startswith(OTHER_TEXT) for why in lost)
    assert sum(lost.values()) < before.rows / 10
    test_keys_find_rows_before_and_after_they_are_parquet(asked)
    for tensors, reply in asked.answered[::60]:
        report = replay_answer(asked.journal, asked.store, prediction_id(reply.prediction_id), None)
        assert report.source.endswith(".parquet") and len(report.rows) == len(tensors["numeric"])
        assert all(row.is_equal or row.why_not for row in report.rows)
    rows = pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in (asked.journal / "served").rglob("*.parquet")])
    assert len(rows) == after.rows

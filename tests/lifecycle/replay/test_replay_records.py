"""What is recorded is computed again to the last bit, and what is not right is found: on journals written without a server."""

import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lifecycle.replay.answer import PARQUET_LACKS, replay_answer
from lifecycle.replay.explain import log_odds
from lifecycle.replay.find import prediction_id
from lifecycle.replay.release import NoRelease
from lifecycle.replay.report import lines_of
from serving.triton.graph import OrtGraph
from tests.lifecycle.replay.replay_world import START_NS, Answering, change_record, flip_last_output, rows_of_parquet
from tests.serving.served_world import REPOSITORY, replace_file

DAY_NS = 86400 * 10**9


@pytest.fixture
def journal(tmp_path, strict_exported, strict_spec):
    return Answering(tmp_path, strict_exported / REPOSITORY, strict_spec)


@pytest.fixture(scope="module")
def many_rows(strict_exported) -> pl.DataFrame:
    rows = pl.read_parquet(strict_exported / "data/split/test.parquet")
    return pl.concat([rows] * 3)


def answer_all(journal: Answering, rows: pl.DataFrame, number: int = 40, **said) -> list[str]:
    """Batches of one to four requests of one to seven rows."""
    rng, ids = np.random.default_rng(2), []
    for start in range(number):
        sizes = rng.integers(1, 8, rng.integers(1, 5)).tolist()
        ids += journal.answer(rows[start:], *sizes, **said)
    return ids


def test_every_row_is_equal_joined_and_alone(journal, many_rows):
    ids = answer_all(journal, many_rows)
    for may_join in (True, False):
        totals = journal.replay(may_join=may_join)
        assert (totals.batches, totals.equal, totals.faults, totals.differing) == (40, totals.rows, 0, 0)
        assert totals.rows > len(ids) and totals.joined == may_join
        assert not totals.not_replayed and not totals.may_differ and not totals.unread


@pytest.mark.parametrize(("honest_calls", "joined"), [(0, False), (1, True)])
def test_where_joined_batches_give_other_bits_each_is_run_alone(journal, many_rows, monkeypatch, honest_calls, joined):
    """A graph that rounds large calls otherwise: at once, or only after it was tried."""
    answer_all(journal, many_rows)
    honest, large, calls = OrtGraph.answer, 30, [0]

    def rounding(graph, encoded, numbers_NM, looks_NE=None):
        found = honest(graph, encoded, numbers_NM, looks_NE)
        calls[0] += len(numbers_NM) > large
        if len(numbers_NM) <= large or calls[0] <= honest_calls:
            return found
        return replace(found, p_click_N=np.nextafter(found.p_click_N, np.float32(1)))

    monkeypatch.setattr(OrtGraph, "answer", rounding)
    totals = journal.replay()
    assert (totals.equal, totals.faults, totals.joined) == (totals.rows, 0, joined)
    assert calls[0] >= 1


@pytest.mark.parametrize("bit", [0, 7])
def test_one_bit_of_an_output_is_found(journal, many_rows, bit):
    ids = [journal.answer(many_rows[n:], 3)[0] for n in range(9)]
    change_record(journal.segments()[0], lambda payload: flip_last_output(payload, bit), number=4)
    totals = journal.replay()
    assert (totals.equal, totals.differing, totals.faults) == (26, 1, 1)
    assert [(row["prediction_id"], row["row"], row["is_fault"]) for row in totals.shown] == [(ids[4], 2, True)]
    assert 0 < totals.largest < 1e-4
    report = replay_answer(journal.folder, journal.store, prediction_id(ids[4]), None)
    assert report.is_fault and [row.is_equal for row in report.rows] == [True, True, False]
    assert not replay_answer(journal.folder, journal.store, prediction_id(ids[3]), None).is_fault


def test_another_id_in_the_record_is_found(journal, many_rows):
    journal.answer(many_rows, 1)
    change_record(journal.segments()[0], lambda payload: payload.__setitem__(-5, payload[-5] ^ 1))  # the image's place
    totals = journal.replay()
    assert (totals.equal, totals.faults) == (0, 1)


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"onnxruntime": "1.2.3"}, "ONNX Runtime 1.2.3 answered, "),
        (
            {"processor": {"name": "Z80", "kernels": ""}},
            "another kind of processor answered (Z80: none of the known instructions)",
        ),
        ({"processor": None}, "which ONNX Runtime and kind of processor answered was not recorded"),
    ],
)
def test_elsewhere_a_last_bit_may_differ_and_that_is_said(journal, many_rows, about, why):
    journal.writer.close()
    journal.begin(**about)
    journal.answer(many_rows, 3, 2)
    path = journal.segments()[-1]
    change_record(path, flip_last_output)
    totals = journal.replay()
    assert (totals.equal, totals.differing, totals.faults) == (4, 1, 0)
    assert len(totals.may_differ) == 1 and why in next(iter(totals.may_differ))
    change_record(path, lambda payload: flip_last_output(payload, 7))
    change_record(path, lambda payload: payload.__setitem__(-3, payload[-3] ^ 0x80))
    assert journal.replay().faults == 1  # more than another kernel's rounding


def test_rows_that_are_not_in_the_record_are_stood_in_for(journal, many_rows):
    own = journal.answer(many_rows, 2, 1, unknown_rows=4)[1]
    report = replay_answer(journal.folder, journal.store, prediction_id(own), None)
    assert report.batch["rows"] == 7 and report.batch["equal"] == 3
    assert report.batch["not_known"] == ["4 rows of its call; the last of the others stood in for them"]
    change_record(journal.segments()[0], flip_last_output)
    totals = journal.replay(may_join=False)
    assert (totals.differing, totals.faults, totals.partial) == (1, 0, 3)


def test_rows_that_were_erased_or_not_written_as_sent_are_counted_with_the_reason(journal, many_rows):
    (own,) = journal.answer(many_rows, 2)
    change_record(journal.segments()[0], lambda payload: payload.__setitem__(slice(-4, None), np.float32("nan").tobytes()))
    journal.writer.close()
    journal.begin(columns={"site": "keyed_hash", "constant": "drop", "device": "as_is"})
    journal.answer(many_rows, 3)
    totals = journal.replay()
    expected = {"the row was erased": 1, "site was not written as sent (serving.journal.columns)": 3}
    assert totals.not_replayed == expected and (totals.equal, totals.faults) == (1, 0)
    report = replay_answer(journal.folder, journal.store, prediction_id(own), None)
    assert [(row.recorded is None, row.why_not) for row in report.rows] == [(False, None), (True, "the row was erased")]
    erased = replay_answer(journal.folder, journal.store, prediction_id(own), 1)
    assert json.loads(erased.as_json())["log_odds"] is None and erased.parts == [] and not erased.is_fault
    assert any("not replayed: the row was erased" in line for line in lines_of(report))


def test_a_share_is_the_same_batches_each_time_and_a_smaller_one_is_part_of_it(journal, many_rows):
    answer_all(journal, many_rows, 120)
    half, again, tenth = (journal.replay(share) for share in (0.5, 0.5, 0.1))
    assert (half.batches, half.rows, half.equal) == (again.batches, again.rows, half.rows)
    assert 30 < half.batches < 90 and 0 < tenth.batches < 36  # by ids of chance: beyond it once in a hundred thousand
    journal.to_parquet()
    assert journal.replay(0.5).batches == half.batches and journal.replay(0.5).rows == half.rows


def test_a_day_is_the_answers_of_that_day(journal, many_rows):
    journal.answer(many_rows, 3)
    journal.now_ns += DAY_NS
    journal.answer(many_rows, 5)
    for _ in range(2):
        assert [journal.replay(day=date(2027, 1, day)).rows for day in (14, 15, 16, 17)] == [0, 3, 5, 0]
        journal.to_parquet()


def test_an_id_is_found_among_many_segments_though_the_clock_jumped(tmp_path, strict_exported, strict_spec, many_rows):
    journal = Answering(tmp_path, strict_exported / REPOSITORY, strict_spec, segment_bytes=700)
    ids = []
    for step in range(30):
        journal.now_ns = START_NS + (step if step < 12 else step - 12) * 10**10  # back to the beginning
        ids += journal.answer(many_rows[step:], 2)
    assert len(journal.segments()) > 10
    journal.segments()[3].unlink()
    found = {}
    for own in ids:
        try:
            found[own] = replay_answer(journal.folder, journal.store, prediction_id(own), 1)
        except ValueError as error:
            assert "but no record has that id" in str(error)
    assert 25 <= len(found) < 30 and all(report.rows[0].is_equal for report in found.values())


def test_without_the_segment_the_batch_is_made_of_parquet(journal, many_rows):
    ids = answer_all(journal, many_rows, key="k")
    before = journal.replay()
    journal.to_parquet()
    after = journal.replay()
    assert not journal.segments() and rows_of_parquet(journal.folder) == after.rows == before.rows
    assert (after.batches, after.equal, after.faults) == (before.batches, after.rows, 0) and not after.may_differ
    report = replay_answer(journal.folder, journal.store, prediction_id(ids[7]), None)
    assert report.source.endswith(".parquet") and all(row.is_equal for row in report.rows) and report.asked["key"] == "k"
    assert report.batch["not_known"] == [PARQUET_LACKS] and len(report.parts) == 9
    for note in (journal.folder / "done").iterdir():  # as they were before they kept the header
        told = json.loads(note.read_text())
        del told["about"]
        note.write_text(json.dumps(told))
    older = journal.replay()
    assert (older.equal, older.faults) == (before.rows, 0)
    assert [*older.may_differ] == ["which ONNX Runtime and kind of processor answered was not recorded"]


def test_a_text_that_parquet_does_not_hold_is_told_and_no_fault(journal, many_rows):
    """A column's text that is no value of its dtype: the graph's vocabulary calls it unknown, Parquet null."""
    journal.answer(many_rows[:2].with_columns(view=pl.Series(["7", "seven"])), 2)
    assert journal.replay().equal == 2
    journal.to_parquet()
    totals = journal.replay()
    assert totals.equal == 1 and totals.faults == 0
    assert [*totals.not_replayed] == ["its texts as they came are not known: Parquet's values give the graph other ids"]


def test_a_release_that_cannot_be_run_is_named(journal, many_rows):
    own = journal.answer(many_rows, 2)[0]
    journal.version.joinpath("features.json").chmod(0o644)
    journal.version.joinpath("features.json").write_text("{}")
    with pytest.raises(NoRelease, match=r"release 1 is damaged: ctr: features.json was changed after the export"):
        replay_answer(journal.folder, journal.store, prediction_id(own), None)
    assert journal.replay().not_replayed.total() == 2 and journal.replay().equal == 0
    shutil.rmtree(journal.version)
    with pytest.raises(NoRelease, match=r"release 1 is not in .*models"):
        replay_answer(journal.folder, journal.store, prediction_id(own), None)


def test_another_release_of_the_same_number_is_not_taken_for_it(journal, many_rows):
    journal.answer(many_rows, 2)
    content = (journal.version / "ctr_packed.onnx").read_bytes() + b"\n"
    for name in ("ctr", "ctr_careful"):
        replace_file(journal.store / name / "1", "ctr_packed.onnx", content)
    (why,) = journal.replay().not_replayed
    assert why.startswith(f"release 1 of {journal.store} is another than the one that answered: its graph's sha-256 is ")


def test_damage_of_a_segment_is_told_and_the_rest_is_replayed(journal, many_rows):
    answer_all(journal, many_rows, 5)
    journal.writer.close()
    path = Path(journal.segments()[0])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (journal.folder / "segments/other.segment").write_bytes(b"something else")
    totals = journal.replay()
    assert totals.batches == 4 and totals.equal == totals.rows
    assert len(totals.unread) == 2 and any("no frame can be read" in why for why in totals.unread)


def test_log_odds_are_finite_where_float32_has_rounded_to_0_or_1():
    found = log_odds(np.array([0.0, 0.5, 1.0, 0.25], dtype=np.float32))
    assert found[1] == 0 and abs(found[3] + np.log(3)) < 1e-12
    assert found[0] < -100 and 16 < found[2] < 17

"""A record without some of its rows: the others are what they were, and nothing of the erased ones is left."""

import numpy as np
import pytest

from lifecycle.erase.records import AnswerRecord
from lifecycle.erase.wanted import Wanted
from lifecycle.journal.answers import AnswersPile, Unreadable, Widths
from lifecycle.journal.columns import Kind, table_of
from serving.triton.journal.layout import ERASED, NOT_SENT
from serving.triton.journal.record import Asked, Seen, answers_payload
from tests.lifecycle.journal.journal_world import ABOUT, START_NS, a_look

KIND = Kind.of(ABOUT)
ROWS, UNKNOWN = 40, 99
VALUES = ["", "user", "user 7", "another", "\u00fc"]


def a_payload(rng) -> bytes:
    sizes = rng.multinomial(ROWS - 8, [1 / 8] * 8) + 1
    texts = [VALUES[rng.integers(len(VALUES))] if column == 0 else "5" for _ in range(ROWS) for column in range(4)]
    encoded = [text.encode() for text in texts]
    pictured = [(int(row), bytes([row]) * 32) for row in rng.permutation(ROWS)[:7]]
    seen = Seen(
        text_lengths=np.array([len(text) for text in encoded]),
        text=b"".join(encoded),
        numbers_NM=rng.random((ROWS, 2), dtype=np.float32),
        ids_NK=rng.integers(0, 2**33, (ROWS, 3)),
        p_click_N=rng.random(ROWS, dtype=np.float32),
        images=pictured,
        looked_at=[a_look(row, rng) for row, _ in pictured[:5]],
        graph_rows=ROWS,
    )
    asked = [
        Asked(
            num_rows=int(size),
            request_id=f"request {n}" * bool(rng.integers(2)),
            event_ns=int(rng.choice([NOT_SENT, START_NS])),
            keys=[b"key %d" % row for row in range(size)] if rng.integers(2) else None,
        )
        for n, size in enumerate(sizes)
    ]
    return answers_payload(3, asked, seen, [bytes([n]) * 16 for n in range(len(sizes))], START_NS)


def table(payload: bytes):
    pile = AnswersPile(KIND.widths)
    pile.add(payload, 0, len(payload))
    return table_of(pile.take(), KIND)


def user(value: str, in_caller_keys: bool = False) -> Wanted:
    return Wanted(column="site", value=value, is_whole=False, in_caller_keys=in_caller_keys, key=None)


@pytest.mark.parametrize("seed", range(20))
def test_others_are_as_they_were_and_one_user_after_the_other_goes(seed):
    record = AnswerRecord.of(a_payload(np.random.default_rng(seed)))
    expected, sizes = table(record.payload()), []
    for value in ("user 7", "\u00fc", "user"):
        rows = record.rows_of(user(value), KIND)
        record = AnswerRecord.of(record.without(rows, KIND.widths).payload())
        expected = expected.filter(np.array([site != value for site in expected["site"].to_pylist()]))
        assert table(record.payload()).to_pylist() == expected.to_pylist()
        assert not len(record.rows_of(user(value), KIND))
        sizes.append(len(record.sections[ERASED]) // 4)
    assert sizes == sorted(sizes) and sizes[-1] == ROWS - len(expected)
    ids = {text for text in expected["request_id"].to_pylist() if text}
    assert all(f"request {n}".encode() in record.payload() if f"request {n}" in ids else True for n in range(8))
    assert record.sections.get(2, b"") == b"".join(text.encode() for text in sorted(ids))


def test_when_everything_is_erased_only_the_shape_is_left():
    record = AnswerRecord.of(a_payload(np.random.default_rng(1)))
    record = record.without(np.arange(ROWS), KIND.widths)
    assert table(record.payload()).num_rows == 0
    assert {*record.sections} == {1, 6, 7, 8, 9, 10, ERASED} and record.sections[7] == b""
    assert not any(record.sections[6]) and not any(record.sections[9]) and record.num_rows == ROWS


def test_sections_that_nobody_here_knows_go_from_a_record_that_is_rewritten():
    record = AnswerRecord.of(a_payload(np.random.default_rng(2)))
    record.sections[UNKNOWN] = b"what is known of the user later"
    record = AnswerRecord.of(record.payload())
    assert UNKNOWN in record.sections and UNKNOWN not in record.without(record.rows_of(user("user"), KIND), KIND.widths).sections


def test_a_callers_key_is_looked_at_if_that_is_wanted():
    record = AnswerRecord.of(a_payload(np.random.default_rng(3)))
    keys = table(record.payload())["key"].to_pylist()
    assert record.rows_of(user("key 0", True), KIND).tolist() == [row for row, key in enumerate(keys) if key == "key 0"] != []
    assert not len(record.rows_of(user("key 0"), KIND))


def test_a_record_that_is_not_what_the_format_says_is_refused():
    payload = a_payload(np.random.default_rng(4))
    with pytest.raises(Unreadable, match="its sections end at byte"):
        AnswerRecord.of(payload + b"x")


def test_a_model_without_strings_has_no_rows_of_a_user():
    widths = Widths(strings=0, numbers=1, ids=1, outputs=1)
    seen = Seen(
        text_lengths=np.empty(0, dtype=np.int64), text=b"", numbers_NM=np.ones((2, 1), dtype=np.float32), images=[], looked_at=[],
        ids_NK=np.ones((2, 1), dtype=np.int64), p_click_N=np.ones(2, dtype=np.float32), graph_rows=2,
    )  # fmt: skip
    asked = [Asked(num_rows=2, request_id="", event_ns=NOT_SENT, keys=[b"me", b"you"])]
    record = AnswerRecord.of(answers_payload(1, asked, seen, [b"i" * 16], START_NS))
    schema = {"categorical": [], "numeric": [{"name": "age", "dtype": "float"}], "ids": ["age"], "outputs": ["probability"]}
    kind = Kind.of({"schema": schema})
    assert not len(record.rows_of(user("me"), kind)) and record.rows_of(user("me", True), kind).tolist() == [0]
    assert np.isnan(np.frombuffer(record.without(np.array([0]), widths).sections[8], dtype="<f4")).tolist() == [True, False]

"""A request that was made for one release, as another one takes it."""

import struct

import numpy as np
import pytest

from serving.triton.joined_text import cut
from serving.triton.packed_request import PackedRequest
from serving.triton.routing.case import detached
from serving.triton.routing.widening import Widening


def column(name: str, nullable: bool = True, used: bool = True) -> dict:
    return {"name": name, "nullable": nullable, "used": used}


def settings(texts: list[dict] | str, numbers: list[dict] | str) -> dict:
    made = ([column(name, nullable=False) for name in part] if isinstance(part, str) else part for part in (texts, numbers))
    return dict(zip(("categorical", "numeric"), made, strict=True))


def request(texts: list[list[bytes]], numbers: list[list[float]]) -> PackedRequest:
    raw = b"".join(struct.pack("<I", len(value)) + value for row in texts for value in row)
    return PackedRequest(
        num_rows=max(len(texts), len(numbers)),
        raw=np.frombuffer(raw, dtype=np.uint8) if texts else None,
        numeric_NM=np.array(numbers, dtype=np.float32).reshape(max(len(texts), len(numbers)), -1),
        images=None,
        request_id="r",
    )


def test_the_same_columns_need_nothing():
    asked = request([[b"x", b"y"]], [[1.0]])
    assert Widening(settings("ab", "c"), settings("ab", "c")).of(asked) is asked


def test_more_columns_are_missing_in_every_row():
    widening = Widening(
        settings("ab", "c"), settings([column("new"), column("a"), column("b"), column("last")], [column("c"), column("d")])
    )
    found = widening.of(request([[b"x", b""], [b"yy" * 200, b"\xff"]], [[1.0], [2.0]]))
    assert cut(found.raw.tobytes()) == [b"", b"x", b"", b"", b"", b"yy" * 200, b"\xff", b""]
    assert np.array_equal(found.numeric_NM, np.array([[1, np.nan], [2, np.nan]], dtype=np.float32), equal_nan=True)
    assert (found.num_rows, found.request_id, found.numeric_NM.dtype) == (2, "r", np.float32)


def test_another_order_is_followed():
    widening = Widening(settings("ab", "cd"), settings("ba", "dc"))
    found = widening.of(request([[b"a1", b"b1"], [b"a2", b"b2"]], [[1, 2], [3, 4]]))
    assert cut(found.raw.tobytes()) == [b"b1", b"a1", b"b2", b"a2"]
    assert found.numeric_NM.tolist() == [[2, 1], [4, 3]]


def test_a_release_may_take_strings_where_requests_have_none():
    found = Widening(settings("", "c"), settings([column("new")], "c")).of(request([], [[1.0], [2.0]]))
    assert cut(found.raw.tobytes()) == [b"", b""] and found.numeric_NM.tolist() == [[1], [2]]


def test_a_column_that_the_model_does_not_use_may_be_missing():
    Widening(settings("a", ""), settings([column("a"), column("b", nullable=False, used=False)], ""))


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        (settings("a", "c"), "it does not take the column 'b'"),
        (settings([*settings("ab", "")["categorical"], column("c")], ""), "it does not take the column 'c'"),
        (settings("abx", "c"), "its column 'x' must not be missing, and requests do not have it"),
        (settings("ab", "cx"), "its column 'x' must not be missing, and requests do not have it"),
    ],
)
def test_any_other_difference_is_refused(taken, words):
    with pytest.raises(ValueError, match=words):
        Widening(settings("ab", "c"), taken)


@pytest.mark.parametrize("raw", [b"", b"\1\0\0\0a", b"\1\0\0\0a\5\0\0\0b", b"\1\0\0\0a\1\0\0\0b\1\0\0\0c"])
def test_bytes_that_are_no_strings_of_its_rows_are_left_to_be_refused(raw):
    broken = PackedRequest(
        num_rows=1, raw=np.frombuffer(raw, dtype=np.uint8), numeric_NM=np.zeros((1, 1), np.float32), images=None
    )
    found = Widening(settings("ab", "c"), settings([column("n"), column("a"), column("b")], "c")).of(broken)
    assert found.raw.tobytes() == raw


def test_kept_rows_are_no_longer_those_that_were_handed_over():
    asked = request([[b"x", b"y"]], [[1.0]])
    content = asked.raw.copy()
    asked = PackedRequest(**{**vars(asked), "raw": content})
    kept = detached(asked)
    content[:] = 0
    asked.numeric_NM[:] = 9
    assert cut(kept.raw.tobytes()) == [b"x", b"y"] and kept.numeric_NM.tolist() == [[1.0]]

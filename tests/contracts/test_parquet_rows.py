"""Equal rows give equal Parquet files, whatever pieces they come in and however they lie in memory."""

import io
from itertools import combinations, pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.tables import parquet
from contracts.tables.parquet import ParquetRows


def written(*pieces: pl.DataFrame | pa.RecordBatch, schema: pa.Schema | None = None) -> bytes:
    stream = io.BytesIO()
    with ParquetRows(stream, schema) as writer:
        for piece in pieces:
            writer.write(piece)
    return stream.getvalue()


def frame(num_rows: int, seed: int = 0) -> pl.DataFrame:
    """Rows of every kind that the project writes: repeating and not, with missing values, long and short cells."""
    rng = np.random.default_rng(seed)
    holes = pl.Series(rng.random(num_rows) < 0.2)
    df = pl.DataFrame(
        {
            "id": pl.Series(rng.integers(-(1 << 62), 1 << 62, num_rows)),
            "y": pl.Series(rng.integers(0, 2, num_rows), dtype=pl.Int8),
            "site": [f"site {i}" for i in rng.integers(0, 9, num_rows)],
            "user": [f"ü{i}" for i in rng.integers(0, 1 << 40, num_rows)],
            "image": [rng.bytes(int(size)) for size in rng.integers(0, 60, num_rows)],
            "price": rng.normal(size=num_rows),
            "seen": rng.random(num_rows) < 0.5,
            "t": pl.Series(rng.integers(0, 1 << 50, num_rows)).cast(pl.Datetime("us", "UTC")),
        },
        schema_overrides={"image": pl.Binary},
    )
    return df.with_columns(pl.when(~holes).then(pl.col(name)).alias(f"{name}?") for name in df.columns)


@given(data=st.data(), num_rows=st.integers(0, 90), group_rows=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_the_pieces_rows_come_in_are_not_in_the_file(data, num_rows, group_rows):
    rows = frame(90)[:num_rows]
    inner = data.draw(st.lists(st.integers(0, num_rows), max_size=8))
    cuts = [0, *sorted(inner), num_rows]
    pieces = [rows[start:stop] for start, stop in pairwise(cuts)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "GROUP_ROWS", group_rows)
        whole = written(rows)
        assert written(*pieces) == whole
        assert written(pl.concat(pieces, rechunk=False)) == whole
    file = pq.ParquetFile(io.BytesIO(whole))
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [group_rows] * (num_rows // group_rows) + [num_rows % group_rows] * (num_rows % group_rows > 0)
    assert pl.from_arrow(file.read()).equals(rows)


@pytest.mark.parametrize("cuts", [[1], [1000], [15_000], range(1000, 30_000, 1500)], ids=["1", "1000", "half", "many"])
def test_pages_follow_the_rows_alone(cuts):
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({"text": [rng.bytes(50).hex() for _ in range(30_000)]})  # 3 MB, so three pages
    whole = written(rows)
    pieces = [rows[start:stop] for start, stop in pairwise([0, *cuts, 30_000])]
    assert written(pl.concat(pieces, rechunk=False)) == whole
    assert written(*pieces) == whole


def test_a_piece_may_be_the_middle_of_something_larger():
    rows = frame(50)
    whole = written(rows)
    for offset in range(1, 18):  # bitmaps of nulls then begin inside a byte
        around = pa.concat_tables([frame(offset, 1).to_arrow(), rows.to_arrow(), frame(3, 2).to_arrow()]).combine_chunks()
        (batch,) = around.slice(offset, 50).to_batches()
        assert batch.column(0).offset == offset and written(batch) == whole


def test_a_bitmap_that_marks_nothing_as_missing_is_not_in_the_file():
    numbers = pa.array(range(20))
    marked = pa.Array.from_buffers(pa.int64(), 20, [pa.py_buffer(b"\xff" * 3), numbers.buffers()[1]])
    assert marked.buffers()[0] is not None and marked.equals(numbers)
    plain, with_bitmap = (pa.record_batch({"n": array}) for array in (numbers, marked))
    assert written(with_bitmap) == written(plain)


def test_what_lies_under_a_missing_value_is_not_in_the_file():
    holes = pa.py_buffer(b"\x05")
    one, other = (
        pa.Array.from_buffers(pa.int64(), 3, [holes, pa.py_buffer(np.array([1, under, 3]).tobytes())]) for under in (2, 99)
    )
    assert one.equals(other) and written(pa.record_batch({"n": one})) == written(pa.record_batch({"n": other}))


def test_the_order_of_a_dictionary_is_not_in_the_file():
    words = ["b", None, "a", "b"]
    plain = written(pl.DataFrame({"w": words}))
    codes = {"as they come": [0, 1], "other way round": [1, 0]}
    for order in codes.values():
        dictionary = pa.array([["b", "a"][i] for i in order] + ["unused"])
        indices = pa.array([order.index(0), None, order.index(1), order.index(0)], pa.int32())
        batch = pa.record_batch({"w": pa.DictionaryArray.from_arrays(indices, dictionary)})
        assert batch.column(0).to_pylist() == words and written(batch) == plain
    for kind in (pl.Categorical, pl.Enum(["a", "b"]), pl.Enum(["z", "b", "a"])):
        assert written(pl.DataFrame({"w": pl.Series(words, dtype=kind)})) == plain


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_way_to_cut_eight_rows_gives_one_file(size):
    rows = frame(8)
    whole = written(rows)
    for inner in combinations(range(1, 8), size):
        assert written(*(rows[start:stop] for start, stop in pairwise([0, *inner, 8]))) == whole


def test_rows_are_held_until_a_group_is_full_and_no_longer(monkeypatch):
    monkeypatch.setattr(parquet, "GROUP_ROWS", 10)
    stream = io.BytesIO()
    rows, sizes, waiting = frame(45), [], []
    with ParquetRows(stream) as writer:
        for start in range(0, 45, 5):
            writer.write(rows[start : start + 5])
            sizes.append(stream.tell())
            waiting.append(writer._num_waiting)
    assert waiting == [5, 0, 5, 0, 5, 0, 5, 0, 5]
    assert all(after > before for before, after in zip(sizes[1::2], sizes[3::2], strict=False))


def test_other_columns_than_before_are_an_error():
    with pytest.raises(ValueError, match="names"):
        written(pl.DataFrame({"a": [1]}), pl.DataFrame({"b": [1]}))

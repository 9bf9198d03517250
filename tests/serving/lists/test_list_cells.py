"""Lists of a request become the slots that the pipeline makes of the same lists in a file."""

import numpy as np
import polars as pl
import pytest

from contracts.serving.list_cells import slots_of_values
from contracts.serving.request import request_of, strings
from stages.exporting.model_config import described_column
from tests.contracts.declared import FEATURE, LABEL, check_file, declared

NUMBERS = ["7", "12", "3", "-1", "100", "9007199254740993", "0"]
WORDS = ["dogs", "art", "Art", "ä", "z", "none", "7", "\U0001f600"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["set", "sequence", "first"])
@pytest.mark.parametrize(("dtype", "words", "missing"), [("int", NUMBERS, [-1]), ("string", WORDS, ["none"])])
def test_slots_are_those_of_the_contract(tmp_path, seed, kind, dtype, words, missing):
    rng = np.random.default_rng(seed)
    cells = [[words[i] for i in rng.integers(0, len(words), rng.integers(0, 8))] for _ in range(200)]
    role = {"role": "sequence", "end": "first"} if kind == "first" else {"role": kind}
    column = {"name": "tags", **role, "dtype": dtype, "longest": 4, "nullable": True, "missing": missing}
    path = tmp_path / "rows.parquet"
    lists = pl.Series("tags", cells, dtype=pl.List(pl.String))
    lists = lists.cast(pl.List(pl.Int64)) if dtype == "int" else lists
    pl.DataFrame({"c": ["x"] * len(cells), "tags": lists, "y": [0] * len(cells)}).write_parquet(path)
    declaration = declared(FEATURE, column, LABEL, source={"files": ["*.parquet"]})
    clean, rejected = check_file(path, declaration)
    assert rejected == []
    slots = [f"tags[{place}]" for place in range(4)]
    expected = np.stack([[value.encode() for value in strings(clean[slot])] for slot in slots], axis=1)

    width = max(map(len, cells))
    sent = np.array([[value.encode() for value in cell] + [b""] * (width - len(cell)) for cell in cells], dtype=object)
    found = slots_of_values(sent, described_column(request_of(declaration).lists[0]))
    assert found.tolist() == expected.tolist()


def test_two_spellings_of_a_number_are_one_and_the_first_stays():
    column = {"name": "n", "role": "set", "dtype": "int", "longest": 3}
    sent = np.array([[b"10", b"7.0", b"7", b""], [b"x", b"2", b"", b""]], dtype=object)
    assert slots_of_values(sent, column).tolist() == [[b"7.0", b"10", b""], [b"2", b"x", b""]]

"""Plain JSON lines are taken column by column, and nobody can tell from the outcome."""

import json
from pathlib import Path
from random import Random

import pytest

from contracts.dataset.source import Format, SourceError
from contracts.tables.chunk import ROW, Chunk
from contracts.tables.reading import read_chunks
from contracts.tables.text import json_lines, plain_lines
from contracts.tables.text.decoding import MARK
from contracts.tables.text.plain_lines import Shape

VALUES = [
    "1", "1.10", "-0", "1e5", "9007199254740993", "true", "false", "null", '"a"', '""', '"null"', '"a, b"', '"x,\\"y"', '" "',
    '"\\u00e9"', '"é"', '"\\ud800"', "[1]", '{"a": 1}', "01", "1.", "NaN", '"a\tb"', '"\x7f"', '"],"', '"a"b"', "tru", "-", "",
    '"{"', '"}"', '", "', "1 ", '\u00a0"a"', f'"{MARK}"', '"x"}', "Infinity", "1E-3", "[]", '"a\\\\"',
]  # fmt: skip
NAMES = ["a", "b", "c", "d,", 'e"', "é", ""]
LIKELY = [("a", "b", "c"), ("a", "c", "b"), ("a", "b"), ("d,", "a", "b")]


def drawn(rng: Random) -> str:
    """A line that is likely to be plain, or plain but for one thing."""
    names = list(rng.choice(LIKELY)) if rng.random() < 0.9 else rng.choices(NAMES, k=rng.randrange(5))
    values = [rng.choice(VALUES[:10]) if rng.random() < 0.9 else rng.choice(VALUES) for _ in names]
    between, colon = rng.choice([", ", ", ", ","]), rng.choice([": ", ": ", ":"])
    line = "{" + between.join(f'"{name}"{colon}{value}' for name, value in zip(names, values, strict=True)) + "}"
    return rng.choice([line] * 20 + [line[:-1], line + "x", " " + line, line + " ", "", "[1]", line + ","])


def read(path: Path) -> list[tuple]:
    """All that is read of a file: cells, and what is none."""
    chunks: list[Chunk] = []
    try:
        chunks += read_chunks(path, Format(), ("a",), frozenset(), any_header=True)
    except SourceError as error:
        return [("refused", str(error))]
    found = []
    for chunk in chunks:
        rows = chunk.spelled_out(chunk.distinct.columns).rows
        found += [*rows.select(ROW, *sorted(set(rows.columns) - {ROW})).rows(named=True), *chunk.ragged]
        found += [*sorted(chunk.nested), *sorted(chunk.undecoded)]
    return found


@pytest.mark.parametrize("seed", range(40))
def test_lines_are_read_the_same_whether_they_are_taken_together_or_parsed(tmp_path, monkeypatch, seed):
    rng = Random(seed)
    lines = [drawn(rng) for _ in range(rng.choice([1, 30, 300]))]
    (tmp_path / "rows.jsonl").write_bytes("\n".join(lines).encode().replace(b"\xc3\xa9", rng.choice([b"\xc3\xa9", b"\xe9"])))
    monkeypatch.setattr(json_lines, "plain_lines", lambda lines: ([], range(len(lines))))
    parsed = read(tmp_path / "rows.jsonl")
    monkeypatch.undo()
    monkeypatch.setattr(plain_lines, "FEW", 0)
    assert read(tmp_path / "rows.jsonl") == parsed
    monkeypatch.setattr(json_lines, "CHUNK_ROWS", len(lines))  # one chunk of several pieces
    monkeypatch.setattr(json_lines, "PIECE_ROWS", 17)
    assert read(tmp_path / "rows.jsonl") == parsed


def test_most_lines_that_programs_write_are_plain():
    rows = [{"id": i, "site": f"s{i % 3}", "price": i / 7, "ok": i % 2 == 0, "none": None} for i in range(400)]
    plain, others = plain_lines.plain_lines([json.dumps(row) for row in rows])
    (part,) = plain
    assert list(part.places) == list(range(400)) and not len(others)
    columns = {name: cells.to_pylist() for name, cells in part.columns.items()}
    assert columns["id"] == [str(i) for i in range(400)] and columns["price"] == [repr(i / 7) for i in range(400)]
    assert columns["ok"][:2] == ["true", "false"] and columns["none"] == [None] * 400
    assert columns["site"][:4] == ["s0", "s1", "s2", "s0"]


def test_lines_of_two_shapes_are_both_taken_and_what_is_odd_is_left():
    lines = [f'{{"a": {i}, "b": "x"}}' if i % 2 else f'{{"b":"y","a":{i}}}' for i in range(2000)]
    lines[10], lines[11] = '{"a": [1], "b": "x"}', '{"a": 11, "b": "\\n"}'
    plain, others = plain_lines.plain_lines(lines)
    assert [len(part.places) for part in plain] == [999, 999] and list(others) == [10, 11]
    assert plain[1].columns["a"].to_pylist()[:3] == ["1", "3", "5"]


@pytest.mark.parametrize(
    "line", ["{}", '{"a": 1, "a": 2}', '{"a": 1,}', '["a"]', '{"a\\n": 1}', '{"a": 1 "b": 2}', '{"a": 1, {"b": 2}', '{"a": 1}}']
)
def test_a_line_that_is_not_plain_has_no_shape(line):
    assert Shape.of(line) is None


def test_a_shape_says_what_stands_around_the_values():
    shape = Shape.of('{ "a": 1, "b" : "x", "c": null }')
    assert shape is not None and shape.names == ("a", "b", "c") and shape.between == ', "'
    assert shape.before == ('{ "a": ', 'b" : ', 'c": ') and shape.after == " }"

"""The figures are kept part by part, and the table is written from what is kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.figures import Compared, Figure, at_least, at_most, estimate, in_turn, spread
from bench.parts import PartFailed, Unprepared, collect, of_modules, run_parts
from stages.files import read_json

ORDER = ["speed", "memory"]


def paths(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "benchmarks.json", tmp_path / "benchmarks.md"


def good() -> list[Figure]:
    return [
        at_least("rows | second", 12.0, 10.0, "12 rows/s", ">= 10"),
        at_most("memory", 4.0, 3.0, "4 GiB", "<= 3 GiB"),
    ]


def broken() -> list[Figure]:
    raise ValueError("the disk is full")


def test_ratio_is_of_medians_and_range_is_of_pairs() -> None:
    compared = Compared(ours=(10.0, 30.0, 20.0), theirs=(10.0, 10.0, 5.0))
    assert compared.ratio == 2.0
    assert compared.shown() == "2.0x (1.0 to 4.0 in 3 pairs)"


def test_two_sides_are_measured_in_turn() -> None:
    calls: list[str] = []
    in_turn(lambda: calls.append("a") or 1.0, lambda: calls.append("b") or 2.0, 2)
    assert calls == ["a", "b", "a", "b"]


def test_spread_and_interval_are_shown_with_their_range() -> None:
    assert spread([3000.0, 1000.0, 2000.0], "rows/s") == "2,000 rows/s (1,000 to 3,000 in 3 runs)"
    assert spread([1.5], "s", 2) == "1.50 s"
    assert estimate({"value": 0.81234, "low": 0.8, "high": 0.825}) == "0.812 [0.800, 0.825]"
    assert estimate({"value": None, "reason": "one class"}) == "undefined: one class"


def test_table_says_for_each_row_whether_its_bar_is_met_and_what_renews_it(tmp_path: Path) -> None:
    json_path, table_path = paths(tmp_path)
    assert run_parts({"speed": (good, "make speed")}, ["speed"], json_path, table_path, ORDER) == 0
    lines = table_path.read_text().splitlines()
    assert any(line.startswith("| rows / second | 12 rows/s | >= 10 | yes | `make speed` | 1, ") for line in lines)
    assert any(line.startswith("| memory | 4 GiB | <= 3 GiB | **no** | `make speed` | 1, ") for line in lines)


def test_figures_that_numpy_measured_can_be_kept() -> None:
    """Minutes of measurements end with writing them down."""
    measured = [at_least("rate", np.float64(2), 1.0, "", ""), at_most("p99", np.float64(2), 1.0, "", "")]
    measured += [Figure(what="a", figure="1", met=np.float64(1) > 0), Figure(what="a", figure="1")]
    assert [json.loads(json.dumps(figure.as_dict()))["met"] for figure in measured] == [True, False, True, None]


def test_a_module_that_fails_leaves_the_rows_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured/one.py").write_text("def figures(config):\n    raise OSError(f'{config} is full')\n")
    (tmp_path / "measured/two.py").write_text("def figures(config):\n    return [config]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    row = Figure(what="a", figure="1")
    with pytest.raises(PartFailed, match="is full") as failed:
        of_modules("measured", ("one", "two"), row)
    assert failed.value.rows == [row] == of_modules("measured", ("two",), row)


def test_a_failed_part_is_recorded_and_the_next_one_runs(tmp_path: Path) -> None:
    json_path, table_path = paths(tmp_path)
    parts = {"memory": (broken, "make memory"), "speed": (good, "make speed")}
    assert run_parts(parts, list(parts), json_path, table_path, ORDER) == 1
    kept = read_json(json_path)["parts"]
    assert kept["memory"]["error"] == "the disk is full"
    assert len(kept["speed"]["rows"]) == 2
    assert "failed: the disk is full" in table_path.read_text()


def test_renewing_one_part_keeps_the_others_and_what_people_wrote(tmp_path: Path) -> None:
    json_path, table_path = paths(tmp_path)
    run_parts({"speed": (good, "make speed")}, ["speed"], json_path, table_path, ORDER)
    table_path.write_text(table_path.read_text() + "\n## What the figures mean\n\nA lot.\n")
    run_parts({"memory": (good, "make memory")}, ["memory"], json_path, table_path, ORDER)
    text = table_path.read_text()
    assert text.index("`make speed`") < text.index("`make memory`") < text.index("A lot.")
    assert text.count("figures: written by") == 1


def test_a_failure_keeps_the_last_good_rows_beside_the_error(tmp_path: Path) -> None:
    json_path, table_path = paths(tmp_path)
    run_parts({"speed": (good, "make speed")}, ["speed"], json_path, table_path, ORDER)
    run_parts({"speed": (broken, "make speed")}, ["speed"], json_path, table_path, ORDER)
    kept = read_json(json_path)["parts"]["speed"]
    assert (len(kept["rows"]), kept["error"]) == (2, "the disk is full")


def test_a_part_that_cannot_begin_is_one_sentence_and_leaves_the_table_alone(tmp_path: Path, capsys) -> None:
    json_path, table_path = paths(tmp_path)

    def unprepared() -> list[Figure]:
        raise Unprepared("reports/capacity.json is missing; run `make capacity`")

    run_parts({"speed": (good, "make speed")}, ["speed"], json_path, table_path, ORDER)
    before = json_path.read_bytes(), table_path.read_bytes()
    parts = {"memory": (unprepared, "make memory"), "speed": (good, "make speed")}
    assert run_parts(parts, ["memory"], json_path, table_path, ORDER) == 1
    assert (json_path.read_bytes(), table_path.read_bytes()) == before
    said = capsys.readouterr().err
    assert "memory was not measured: reports/capacity.json is missing; run `make capacity`" in said and "Traceback" not in said
    assert run_parts(parts, list(parts), json_path, table_path, ORDER) == 1
    assert "speed took" in capsys.readouterr().err


def test_measures_of_one_part_that_fail_leave_the_rows_of_the_others() -> None:
    with pytest.raises(PartFailed, match="the disk is full") as failed:
        collect([good, broken])
    assert len(failed.value.rows) == 2

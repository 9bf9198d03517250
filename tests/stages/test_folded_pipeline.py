"""A side table whose matches are folded, from raw files to scores in bulk and to what `serving.predict` sends."""

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.serving.request import request_of
from serving.predict.input import declared_rows, read_declaration, read_side_table_digests
from stages import score
from stages.scoring.scorer import score_split
from tests.made_once import made_once
from tests.stages.exported_world import export_small_model
from tests.stages.pipeline_world import COLUMNS, declaration, write_month

TAG = {"name": "tag", "role": "set", "dtype": "string", "longest": 2, "keep": True}
TIMES = {"name": "times", "role": "numeric", "dtype": "int", "keep": True}
JOINS = [
    {"files": "tags.csv", "key": "ad", "optional": True, "fold": {"tag": "set"}},
    {"files": "bought.csv", "key": "user", "optional": True, "fold": {"times": "count"}},
]
TAGS = {f"ad{i}": [f"t{(i + j) % 4}" for j in range(i)] for i in range(5)}  # ad0 and ad5 have none
BOUGHT = {f"u{i}": i % 7 for i in range(40)}


def folded_world(folder: Path) -> None:
    data = declaration(columns=[*COLUMNS[:-1], TAG, TIMES, COLUMNS[-1]])
    data["source"] = data["source"] | {"joins": JOINS}

    def write(source: Path, month: int, num_rows: int) -> None:
        write_month(source, month, num_rows)
        (source / "tags.csv").write_text("ad,tag\n" + "".join(f"{ad},{tag}\n" for ad, tags in TAGS.items() for tag in tags))
        (source / "bought.csv").write_text("user\n" + "".join(f"{user}\n" * times for user, times in BOUGHT.items()))

    export_small_model(folder, data, write)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return made_once(tmp_path_factory, "folded", folded_world)


def test_clean_rows_have_the_sets_and_the_counts(world):
    rows = pl.read_parquet(world / "data/split/test.parquet")
    for ad, user, first, second, times in rows.select("ad", "user", "tag[0]", "tag[1]", "times").iter_rows():
        assert [tag for tag in (first, second) if tag] == sorted(set(TAGS.get(ad, [])))[:2]
        assert times == BOUGHT[user]
    report = json.loads((world / "reports/validation.json").read_text())["months"]["2024-02"]
    matched = {"tags.csv by ad": rows["ad"].is_in(["ad1", "ad2", "ad3", "ad4"]).sum()}
    matched["bought.csv by user"] = rows["user"].is_in([user for user, times in BOUGHT.items() if times]).sum()
    assert report["matched"] == matched and report["raw"] == report["clean"] == len(rows) == 300


def test_rows_are_scored_as_they_are_evaluated(world, tmp_path, monkeypatch):
    """With the side tables that lie beside them, and with those of the training."""
    rows = world / "data/split/test.parquet"
    expected = dict(zip(pl.read_parquet(rows)["id"], score_split(world / "artifacts/export", rows), strict=True))
    monkeypatch.chdir(world)
    arguments = ["score", "data/raw/2024-02", str(tmp_path / "out.parquet"), "--model", "artifacts/export"]
    monkeypatch.setattr(sys, "argv", arguments)
    score.main()
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert len(found) == 300
    assert np.array_equal(found["p_click"].to_numpy(), np.array([expected[row] for row in found["id"]], dtype=np.float32))


def test_what_is_sent_to_the_server_has_the_folded_columns(world, monkeypatch):
    monkeypatch.chdir(world)
    export = Path("artifacts/export/declaration.json")
    declared = read_declaration(export)
    digests = read_side_table_digests(export, declared)
    assert set(digests) == {"tags.csv", "bought.csv"}
    rows = declared_rows(Path("data/raw/2024-02/2024-02/rows.csv"), declared, digests, request_of(declared))
    sent = pl.concat([rows.contract.check(chunk)[0] for chunk in rows.chunks])
    names = ["id", "tag[0]", "tag[1]", "times"]
    assert sent.select(names).equals(pl.read_parquet("data/split/test.parquet").sort("id").select(names))

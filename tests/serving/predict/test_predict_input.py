"""Rows for the served model that need side tables: only those of the training will do."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from contracts.serving.request import request_of
from serving.predict.input import declared_rows, read_side_table_digests
from tests.contracts.declared import FEATURE, LABEL, declared

ITEMS = b"item,price\n1,2.5\n"
KEY = {"name": "item", "role": "info", "dtype": "int"}
PRICE = {"name": "price", "role": "numeric", "dtype": "float"}
JOINED = declared(KEY, PRICE, FEATURE, LABEL, source={"joins": [{"files": "items.csv", "key": "item"}]})
ALONE = declared(KEY, PRICE, FEATURE, LABEL)


def test_rows_are_joined_with_the_side_tables_of_the_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shared = Path("data/raw/shared")
    shared.mkdir(parents=True)
    (shared / "items.csv").write_bytes(ITEMS)
    Path("rows.csv").write_text("item,c\n1,a\n")
    request = request_of(JOINED)
    rows = declared_rows(Path("rows.csv"), JOINED, {"items.csv": sha256(ITEMS).hexdigest()}, request)
    clean, rejected = rows.contract.check(next(rows.chunks))
    assert clean.select("item", "price", "c").rows() == [(1, 2.5, "a")] and rejected.is_empty()
    (shared / "items.csv").write_bytes(ITEMS.replace(b"2", b"3"))
    with pytest.raises(ValueError, match="data/raw/shared does not hold the side tables that the model was trained with"):
        declared_rows(Path("rows.csv"), JOINED, {"items.csv": sha256(ITEMS).hexdigest()}, request)


def test_digests_come_from_the_manifest_beside_the_declaration(tmp_path):
    declared_at = tmp_path / "declaration.json"
    assert read_side_table_digests(declared_at, ALONE) == {}
    with pytest.raises(ValueError, match="manifest.json does not say which side tables .* leave declaration.json where"):
        read_side_table_digests(declared_at, JOINED)
    (tmp_path / "manifest.json").write_text(json.dumps({"side_tables": {"items.csv": "ab"}}))
    assert read_side_table_digests(declared_at, JOINED) == {"items.csv": "ab"}

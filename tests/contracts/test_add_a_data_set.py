"""The example and the tables of docs/add-a-data-set.md are true."""

import re
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from contracts.dataset.columns import Column, Dtype, Role
from contracts.dataset.declaration import Declaration, Split
from contracts.dataset.source import Format, Images, Join, Source
from contracts.tables.chunk import ROW
from tests.contracts.declared import check_file

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/add-a-data-set.md").read_text(encoding="utf-8")


def block(kind: str) -> str:
    return re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1]


def test_the_example_says_what_the_page_says(tmp_path):
    declaration = TypeAdapter(Declaration).validate_python(yaml.safe_load(block("yaml")))
    (tmp_path / "2024-01.csv").write_text(block("csv"))
    clean, rejected = check_file(tmp_path / "2024-01.csv", declaration)
    assert rejected == []
    assert clean.drop(ROW).rows()[:2] == [
        (1001, datetime(2024, 1, 3, 8, 15, tzinfo=UTC), 9, "phone", 1234.5, 4, 1),
        (1002, datetime(2024, 1, 3, 8, 20, tzinfo=UTC), 9, None, 19.9, None, 0),
    ]


def test_the_example_is_the_one_that_lies_here():
    assert block("yaml").strip() == (ROOT / "conf/data/shop.yaml").read_text().partition("\n")[2].strip()
    assert (ROOT / "examples/shop/2024-01.csv").read_text().startswith(block("csv"))


@pytest.mark.parametrize("part", [Declaration, Source, Format, Join, Images, Split, Column])
def test_the_page_names_every_key(part):
    assert [field.name for field in fields(part) if not re.search(rf"\b{field.name}\b", PAGE)] == []


def test_the_example_of_several_values_becomes_the_slots_that_the_page_says(tmp_path):
    csv, columns = re.search(r"### Cells with several values\n\n```csv\n(.*?)```\n\n```yaml\n(.*?)```", PAGE, re.DOTALL).groups()
    source = {"kind": "files", "path": str(tmp_path), "files": ["*.csv"]}
    split = {"by": "row", "val_frac": 0.1, "test_frac": 0.1}
    values = {"name": "lists", "source": source, "split": split, "columns": yaml.safe_load(columns)}
    (tmp_path / "2024-01.csv").write_text(csv)
    clean, rejected = check_file(tmp_path / "2024-01.csv", TypeAdapter(Declaration).validate_python(values))
    assert rejected == []
    assert clean.drop(ROW).rows() == [
        (1, "art", "dogs", None, 7, 9, 7, None, 9, 1),
        (2, None, None, None, None, None, None, None, 7, 0),
        (3, "art", "dogs", None, 9, 4, 3, 2, 7, 0),
    ]


def test_the_page_names_every_role_and_dtype():
    assert [word for word in (*Role.__args__, *Dtype.__args__) if f"`{word}`" not in PAGE] == []

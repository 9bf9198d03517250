"""Of a column with several values the monitor watches the first slot: the others go as it does."""

import polars as pl

from lifecycle.monitor.counts.first_rows import profile_of_rows
from lifecycle.monitor.counts.plan import plan_of
from lifecycle.monitor.quality.area import slices_of
from lifecycle.rollout.evidence.watched import _of_few_values
from stages.files import write_json
from tests.contracts.declared import FEATURE, LABEL, declared

TAGS = {"name": "tags", "role": "set", "dtype": "string", "longest": 3, "values": ["a", "b"]}
DECLARATION = declared(FEATURE | {"values": ["x", "y"]}, TAGS, LABEL)
ROWS = pl.DataFrame({"c": ["x", "y"], "tags[0]": ["a", "b"], "tags[1]": ["b", None], "tags[2]": [None, None]})


def test_one_slot_is_in_plan_and_profile():
    profile = profile_of_rows(ROWS, DECLARATION)
    assert list(profile["columns"]) == ["c", "tags[0]"]
    plan = plan_of(DECLARATION, profile, ROWS.columns)
    assert [column.name for column in plan.columns if column.role == "categorical"] == ["c", "tags[0]"]


def test_slots_are_no_slices(tmp_path):
    assert slices_of(DECLARATION) == ["c", "cold_start"]
    fields = [{"name": name, "num_ids": 4} for name in ROWS.columns]
    write_json(tmp_path / "features.json", {"categorical": fields})
    assert _of_few_values(tmp_path, DECLARATION) == ["c", "cold_start"]

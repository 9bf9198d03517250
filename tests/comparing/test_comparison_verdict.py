"""The verdict by interval and margin, what passes, and declarations whose models cannot be compared."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from stages.comparing.config import CompareConfig
from stages.comparing.declarations import difference, new_columns
from stages.comparing.findings import finding, forgotten_finding
from stages.comparing.verdict import by_log_loss, decide
from tests.comparing.compared_world import COLUMNS, NEW_COLUMN, params_of

CFG = TypeAdapter(CompareConfig).validate_python(params_of(COLUMNS)["compare"])


def estimate(value: float, low: float | None, high: float | None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "by": "users", "reason": "no interval: 3 clicks"}


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        ((-0.02, -0.03, -0.001), "better"),
        ((0.001, -0.002, 0.004), "not_worse"),
        ((0.002, 0.001, 0.003), "not_worse"),  # surely worse, surely by less than the margin
        ((0.02, 0.001, 0.04), "worse"),
        ((0.008, 0.006, 0.011), "worse"),
        ((0.0068, 0.0017, 0.0127), "not_worse"),  # unproven: another seed alone does that on small data
        ((0.02, -0.01, 0.05), "not_worse"),  # unproven
        ((0.004, 0.001, 0.007), "not_worse"),  # unproven: by how much
        ((0.3, None, None), "not_worse"),  # unproven
    ],
)
def test_the_interval_and_the_margin_decide(given, verdict):
    assert by_log_loss(estimate(*given), CFG)[0] == verdict


def test_what_is_unproven_is_decided_by_the_configuration_and_said():
    verdict, why = by_log_loss(estimate(0.02, -0.01, 0.05), replace(CFG, unproven="worse"))
    assert verdict == "worse" and "cannot tell" in why and "compare.unproven" in why
    assert by_log_loss(estimate(-0.02, -0.03, -0.001), replace(CFG, unproven="worse"))[0] == "better"


def test_suspicions_come_before_vetoes_and_both_before_the_log_loss():
    better = estimate(-0.02, -0.03, -0.01)
    found = decide(better, [finding("leak", "x", "a leak")], [finding("slice", "tv", "a veto")], CFG)
    assert (found["verdict"], found["passes"], found["reasons"][:2]) == ("suspicious", False, ["a leak", "a veto"])
    assert decide(better, [], [finding("slice", "tv", "a veto")], CFG)["verdict"] == "worse"
    assert decide(better, [], [], CFG)["passes"]


def test_a_candidate_that_must_be_better_does_not_pass_by_being_equal():
    equal = estimate(0.0, -0.001, 0.001)
    assert decide(equal, [], [], CFG)["passes"] and not decide(equal, [], [], replace(CFG, need="better"))["passes"]


def declared(columns: list[dict[str, Any]], **changes: Any) -> Declaration:
    return TypeAdapter(Declaration).validate_python(params_of(columns)["data"] | changes)


def changed(name: str, **values: Any) -> list[dict[str, Any]]:
    return [column | values if column["name"] == name else column for column in COLUMNS]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (declared(COLUMNS), None),
        (declared([*COLUMNS, NEW_COLUMN]), None),
        (declared([*COLUMNS, {"name": "note", "role": "info", "dtype": "string"}]), None),
        (declared(changed("site", keep=False, description="where")), None),
        (declared([*COLUMNS, NEW_COLUMN | {"nullable": False}]), "column 'seconds' is new and not nullable"),
        (declared([column for column in COLUMNS if column["name"] != "region"]), "column 'region' is gone"),
        (declared(changed("hour", dtype="string")), "column 'hour' has dtype 'string', the champion's had 'int'"),
        (declared(changed("price", log=False)), "column 'price' has log False, the champion's had True"),
        (declared(COLUMNS, name="other"), "the data set is 'other', the champion's was 'small'"),
        (declared(COLUMNS, images=None), "creatives have no images now"),
    ],
)
def test_a_declaration_may_gain_nullable_columns_and_nothing_else(now, words):
    found = difference(declared(COLUMNS), now)
    assert found is None if words is None else words in found


def test_new_columns_are_those_of_the_newer_declaration():
    assert [column.name for column in new_columns(declared(COLUMNS), declared([*COLUMNS, NEW_COLUMN]))] == ["seconds"]


@pytest.mark.parametrize(
    ("then", "now", "found"), [(0.8, 0.95, True), (0.8, 0.88, False), (0.99, 0.999, False), (None, 1.2, False)]
)
def test_test_rows_of_which_the_champion_explains_little_are_suspicious(then, now, found):
    one = forgotten_finding(then, now)
    assert (one is not None) == found and (one is None or "are the test rows wrong" in one["text"])

"""What became of the page views of an A/B test, by routing key and day."""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from lifecycle.ab.keys import AbRows, AbSources, gathered_keys, sources_of
from lifecycle.rollout.pairs import key_hash
from tests.lifecycle.ab.served_views import view, write_labels, write_views
from tests.lifecycle.ab.simulated_keys import FROM_NS, TEST
from tests.lifecycle.monitor.played import declaration

DAY_NS = 86_400 * 10**9
LATER_NS = FROM_NS + 30 * DAY_NS


def gathered(folder, value: str | None = None, entity: str | None = "user_id", now_ns: int = LATER_NS, **changed) -> AbRows:
    sources = AbSources(journal=folder / "journal", feedback=folder / "feedback", entity=entity, value=value)
    return gathered_keys(replace(TEST, **changed), sources, now_ns)


def sums(rows: AbRows, *columns: str) -> dict[int, tuple]:
    """By key."""
    found = rows.by_key.select("key", *(columns or ("arm", "views", "clicks")))
    return {row[0]: row[1:] for row in found.rows()}


def hashed(key: str) -> int:
    return key_hash(TEST.salt, key)


def test_page_views_count_with_and_without_labels(tmp_path):
    write_views(tmp_path, view("a", "u1"), view("b", "u1", day=0.7), view("c", "u2", "challenger"))
    write_labels(tmp_path, {("a", 0, 0): 1, ("a", 1, 0): 0, ("c", 1, 0): 1})
    rows = gathered(tmp_path)
    assert sums(rows) == {hashed("u1"): (0, 2, 1.0), hashed("u2"): (1, 1, 1.0)}
    assert sums(rows, "worth") == {hashed("u1"): (1.0,), hashed("u2"): (1.0,)}
    assert rows.days == [date(2027, 3, 1)] and (rows.entities, rows.in_both, rows.outside, rows.unkeyed) == (2, 0, 0, 0)


def test_days_count_when_their_labels_are_final_and_their_answers_in_parquet(tmp_path):
    write_views(tmp_path, view("a", "u1"), view("b", "u1", day=1.5), view("c", "u1", day=2.5))
    write_labels(tmp_path, {("a", 0, 0): 1, ("b", 0, 1): 1, ("c", 0, 2): 1}, last_day=2)
    assert gathered(tmp_path).days == [date(2027, 3, 1), date(2027, 3, 2)]
    (tmp_path / "journal/segments").mkdir()
    assert gathered(tmp_path, now_ns=FROM_NS + 3 * DAY_NS // 2).days == [date(2027, 3, 1)]


def test_a_request_that_was_sent_again_is_one_page_view(tmp_path):
    said = {"request_id": "r1", "event_at": view("x", "u")["answered_at"][0]}
    other = said | {"event_at": view("x", "u", day=0.1)["answered_at"][0]}
    write_views(
        tmp_path,
        view("a", "u1", **said),
        view("b", "u1", day=0.501, **said),
        view("c", "u1", **other),
        view("d", "u1", request_id="r1"),
    )
    write_labels(tmp_path, {("b", 0, 0): 1, ("c", 0, 0): 1})
    assert sums(gathered(tmp_path)) == {hashed("u1"): (0, 3, 2.0)}


def test_whose_a_page_view_is_the_key_says_or_the_first_rows_entity(tmp_path):
    mixed = view("b", None).with_columns(pl.Series("user_id", ["u2", "u9"]))
    write_views(tmp_path, view("a", "k1", user_id="u1"), mixed, view("c", None, user_id=None))
    write_labels(tmp_path, {("a", 0, 0): 1})
    rows = gathered(tmp_path)
    assert set(sums(rows)) == {hashed("k1"), hashed("u2")} and rows.unkeyed == 1 and rows.entities == 2
    assert gathered(tmp_path, entity=None).unkeyed == 2


def test_what_is_in_no_arm_is_counted_beside(tmp_path):
    write_views(
        tmp_path,
        view("a", "u1"),
        view("b", "u1", route=8),
        view("c", "u1", route=None, arm=None),
        view("d", "u1", arm=None),
        view("before", "u1", day=0.1, route=None, arm=None),
        view("after", "u1", day=0.9, route=None, arm=None),
    )
    write_labels(tmp_path, {(name, 0, 0): 1 for name in "abcd"})
    rows = gathered(tmp_path, from_ns=FROM_NS + DAY_NS // 4, until_ns=FROM_NS + 3 * DAY_NS // 4)
    assert sums(rows) == {hashed("u1"): (0, 1, 1.0)} and rows.outside == 3


def test_a_fallback_stays_with_the_arm_that_was_assigned(tmp_path):
    write_views(tmp_path, view("a", "u1", "challenger", fallback=True), view("b", "u1", "challenger"))
    write_labels(tmp_path, {("a", 0, 0): 1})
    assert sums(gathered(tmp_path), "arm", "views", "fell_back") == {hashed("u1"): (1, 2, 1)}


def test_users_of_several_keys_are_found_in_both_arms_over_all_days(tmp_path):
    write_views(
        tmp_path,
        view("a", "phone", user_id="u1"),
        view("b", "laptop", "challenger", day=1.5, user_id="u1"),
        view("c", "tv", user_id="u2"),
    )
    write_labels(tmp_path, {}, last_day=2)
    rows = gathered(tmp_path)
    assert (rows.entities, rows.in_both) == (2, 1) and len(sums(rows)) == 3


def test_a_clicked_row_is_worth_what_its_column_says(tmp_path):
    priced = view("a", "u1", rows=4).with_columns(pl.Series("price", [2.0, 30.0, None, float("nan")]))
    write_views(tmp_path, priced)
    write_labels(tmp_path, {("a", 0, 0): 1, ("a", 1, 0): 0, ("a", 2, 0): 1, ("a", 3, 0): 1})
    assert sums(gathered(tmp_path, value="price"), "clicks", "worth") == {hashed("u1"): (3.0, 2.0)}


def test_files_of_before_there_was_routing_are_in_no_arm(tmp_path):
    write_views(tmp_path, view("old", "u1"), without=("route", "arm", "fallback", "routing_key", "price"), name="old")
    write_views(tmp_path, view("a", "u1"))
    write_labels(tmp_path, {("a", 0, 0): 1, ("old", 0, 0): 1})
    rows = gathered(tmp_path, value="price")
    assert sums(rows) == {hashed("u1"): (0, 1, 1.0)} and rows.outside == 1


def test_nothing_served_or_labelled_is_nothing(tmp_path):
    rows = gathered(tmp_path)
    assert rows.by_key.is_empty() and rows.days == [] and rows.entities == 0
    write_labels(tmp_path, {("a", 0, 0): 1})  # of rows that the journal has no more
    assert gathered(tmp_path).by_key.is_empty()


def test_worth_is_a_declared_number_that_requests_carry(tmp_path):
    found = sources_of(declaration(), tmp_path, tmp_path, "floor_price")
    assert (found.value, found.entity) == ("floor_price", "user_id")
    assert sources_of(declaration(), tmp_path, tmp_path, None).value is None
    asked = r"ab\.value: expected a column with role numeric, .*floor_price.*; '{}' {}; what is known only after"
    for name, reason in (("nosuch", "is not declared"), ("device", "has role categorical")):
        with pytest.raises(ValueError, match=asked.format(name, reason)):
            sources_of(declaration(), tmp_path, tmp_path, name)

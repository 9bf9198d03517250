"""docs/journal.md describes the record: a reader that was written from that page alone finds what the project's own finds."""

import polars as pl

from lifecycle.journal.served import only_one, serve_segment
from tests.lifecycle.journal.journal_world import START_NS, a_journal, a_routed_journal
from tests.lifecycle.journal.second_reader import read

SAME = ("prediction_id", "row", "request_id", "key", "release", "batch_rows", "image_sha256")
ROUTED = ("arm", "route", "fallback", "bucket", "routing_key")


def served(folder, dataset="served"):
    """All rows that the project's reader makes of a journal, in the order of their segments and there."""
    with only_one(folder):
        for path in sorted((folder / "segments").glob("*.segment")):
            serve_segment(folder, path)
    files = sorted((folder / dataset).rglob("*.parquet"))
    return pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in files])


def test_both_readers_say_the_same(tmp_path):
    world = a_journal(tmp_path)
    other = [read(path) for path in world.segments()]
    rows = [row for segment in other for row in segment["rows"]]
    table = served(tmp_path)
    assert len(rows) == len(table) == 312
    for name in SAME + ROUTED:
        assert [row[name] for row in rows] == table[name].to_list(), name
    assert [row["answered_ns"] for row in rows] == table["answered_at"].cast(pl.Int64).to_list()
    assert [row["event_ns"] for row in rows] == table["event_at"].cast(pl.Int64).to_list()
    assert [row["outputs"][0] for row in rows] == table["probability"].to_list()
    assert [row["strings"][0] or None for row in rows] == table["site"].to_list()
    assert [row["strings"][3] or None for row in rows] == table["sent_row"].to_list()
    assert [int(row["strings"][1]) for row in rows] == table["hour"].to_list()
    assert [tuple(row["numbers"]) for row in rows] == table.select("age", "visits").rows()
    for place, name in enumerate(("site", "hour")):
        assert [row["ids"][place] for row in rows] == table[f"{name}__id"].to_list()
    looked_at = [row["looks"] for row in rows if row["looks"]]
    shown = table.filter(pl.col("image_width").is_not_null())
    assert len(looked_at) == len(shown) == 3 and all(len(look["image_embedding"]) == 5 for look in looked_at)
    assert shown["row"].to_list() == [row["row"] for row in rows if row["looks"]] == [1, 2, 3]
    for name in looked_at[0].keys() - {"image_format"}:
        assert [look[name] for look in looked_at] == shown[name].to_list(), name
        assert table[name].null_count() == 309
    assert [look["image_format"] for look in looked_at] == [2, 3, 1] and shown["image_format"].to_list() == ["JPEG", None, "PNG"]
    assert [refusal["rule"] for refusal in other[0]["refusals"]] == ["max", "overloaded"]
    assert other[0]["closed"] == [5, 7, 312, 2] and other[0]["losses"] == []
    assert other[0]["about"]["opened_ns"] == START_NS + 1_000_000 and other[0]["about"]["release"] == 3


def test_both_readers_say_the_same_of_what_was_routed(tmp_path):
    world = a_routed_journal(tmp_path)
    other = [read(path) for path in world.segments()]
    for dataset, kind, number in (("served", "rows", 2 + 6 + 4 + 1), ("shadowed", "shadows", 3 + 1)):
        rows, table = [row for segment in other for row in segment[kind]], served(tmp_path, dataset)
        assert len(rows) == len(table) == number
        for name in SAME + ROUTED:
            assert [row[name] for row in rows] == table[name].to_list(), name
        assert [row["outputs"][0] for row in rows] == table["probability"].to_list()
    assert [event for segment in other for event in segment["events"]] == world.events
    assert [segment["closed"] for segment in other] == [[8, 6, 13, 0]]

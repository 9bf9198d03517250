"""When and where a card was written stands beside it, about that card only, and the card's bytes do not depend on it."""

import json
from pathlib import Path

from stages.reporting.run_record import drop_record_of_another_card, page, processor, write_record


def test_the_record_names_code_machine_and_versions_and_the_page_shows_them(tmp_path: Path) -> None:
    card = tmp_path / "model_card.html"
    card.write_text("one")
    write_record(card)
    record, shown = json.loads((tmp_path / "run.json").read_text()), (tmp_path / "run.html").read_text()
    assert record.keys() == {"card", "written", "code", "machine", "versions"}
    assert {"Python", "torch", "onnxruntime", "lightgbm", "polars"} <= record["versions"].keys()
    assert record["machine"] in shown and record["written"][:10] in shown and f"torch {record['versions']['torch']}" in shown


def test_a_record_of_another_card_is_removed_and_one_of_this_card_stays(tmp_path: Path) -> None:
    card = tmp_path / "model_card.html"
    assert not drop_record_of_another_card(card)
    card.write_text("one")
    write_record(card)
    assert not drop_record_of_another_card(card) and (tmp_path / "run.html").is_file()
    card.write_text("from a cache")
    assert drop_record_of_another_card(card)
    assert [path.name for path in tmp_path.iterdir()] == ["model_card.html"]


def test_the_page_says_what_git_knows_and_escapes_it() -> None:
    record = {"written": "2026-01-02T03:04:05+00:00", "machine": "a <b> CPU", "versions": {"Python": "3.13.1"}}
    text = page(record | {"code": {"commit": "ab" * 20, "uncommitted_changes": True}})
    assert "2026-01-02 03:04:05 UTC" in text and "abababababab, with uncommitted changes" in text and "a &lt;b&gt; CPU" in text
    assert "no Git revision" in page(record | {"code": {"commit": None, "uncommitted_changes": None}})


def test_the_processor_is_read_where_linux_names_it(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: Some CPU @ 2 GHz\n")
    assert processor(tmp_path / "cpuinfo") == "Some CPU @ 2 GHz"
    assert processor(tmp_path / "none")

"""releases.jsonl: what is appended is on the disk whole, or not at all."""

import json
import os
from multiprocessing import get_context
from pathlib import Path

import pytest

from contracts.serving import release_log
from contracts.serving.release_log import Entry, append, read


def test_lines_come_back_as_they_were_written_with_who_and_when(tmp_path):
    first = append(tmp_path / "models", Entry(event="release", model="a" * 64, version=1, reasons=("the first release",)))
    second = append(tmp_path / "models", Entry(event="refusal", model="b" * 64, before=1, evidence={"gate": {"passes": False}}))
    assert read(tmp_path / "models") == ([first, second], [])
    assert (first["format"], first["event"], first["version"], first["before"]) == (1, "release", 1, None)
    assert first["reasons"] == ["the first release"] and second["evidence"] == {"gate": {"passes": False}}
    assert {"time", "by", "host", "code"} < set(first) and first["time"] <= second["time"] and first["time"].endswith("+00:00")


def test_a_store_without_a_log_has_no_lines(tmp_path):
    assert read(tmp_path / "nowhere") == ([], [])


def test_a_line_that_was_cut_off_costs_no_other(tmp_path):
    kept = append(tmp_path, Entry(event="release", model=None))
    path = tmp_path / release_log.NAME
    path.write_bytes(path.read_bytes() + b'{"format": 1, "ev')
    later = append(tmp_path, Entry(event="promotion", model=None))
    assert read(tmp_path) == ([kept, later], [2])


def test_a_full_disk_takes_the_line_back(tmp_path, monkeypatch):
    kept = append(tmp_path, Entry(event="release", model=None))
    written = os.write

    def half(descriptor: int, content: bytes) -> int:
        return written(descriptor, content[: len(content) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match=r"no space for a line of \d+ bytes in releases.jsonl"):
        append(tmp_path, Entry(event="refusal", model=None))
    monkeypatch.undo()
    assert read(tmp_path) == ([kept], []) and (tmp_path / release_log.NAME).read_bytes().endswith(b"}\n")


def test_another_format_is_refused_by_its_number(tmp_path):
    (tmp_path / release_log.NAME).write_text(json.dumps({"format": 2}) + "\n")
    with pytest.raises(ValueError, match="releases.jsonl, line 1: expected format 1, got 2"):
        read(tmp_path)


def append_many(folder: Path, model: str) -> None:
    for version in range(50):
        append(folder, Entry(event="release", model=model, version=version))


def test_writers_do_not_mix_their_lines(tmp_path):
    context = get_context("fork")
    writers = [context.Process(target=append_many, args=(tmp_path, name)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    entries, broken = read(tmp_path)
    assert broken == []
    for name in ("a", "b"):
        assert [entry["version"] for entry in entries if entry["model"] == name] == list(range(50))

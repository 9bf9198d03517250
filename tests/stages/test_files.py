"""Files appear whole or not at all; every stage fails with one sentence."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from stages.entry import run_stage
from stages.files import (
    SMALL_BYTES,
    atomic_folder,
    atomic_path,
    keep_only,
    read_json,
    sha256_code,
    sha256_file,
    sha256_tree,
    write_json,
)
from stages.parquet import write_parquet


def test_atomic_path_renames_at_the_end_and_removes_the_partial_on_failure(tmp_path):
    target = tmp_path / "new" / "file.txt"
    with atomic_path(target) as partial:
        partial.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    with pytest.raises(RuntimeError), atomic_path(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_atomic_folder_keeps_the_old_folder_until_the_new_one_is_complete(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(RuntimeError), atomic_folder(target) as fresh:
        (fresh / "half").touch()
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["old"]
    with atomic_folder(target) as fresh:
        (fresh / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_write_json_is_sorted_keeps_letters_and_refuses_nan(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "é"})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "a": "é",\n  "b": 1\n}\n'.encode()
    assert read_json(tmp_path / "a.json") == {"a": "é", "b": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"b": float("nan")})
    assert read_json(tmp_path / "a.json") == {"a": "é", "b": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_equal_frames_give_equal_files_whatever_their_chunks(tmp_path):
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "é"]})
    write_parquet(tmp_path / "a.parquet", frame)
    write_parquet(tmp_path / "b.parquet", pl.concat([frame[:1], frame[1:]], rechunk=False))
    assert sha256_file(tmp_path / "a.parquet") == sha256_file(tmp_path / "b.parquet")
    assert pl.read_parquet(tmp_path / "a.parquet").equals(frame)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


def test_keep_only_removes_files_folders_and_links(tmp_path):
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep/file").touch()
    (tmp_path / "go").mkdir()
    (tmp_path / "go/file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "keep")
    keep_only(tmp_path, {"keep"})
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["keep", "keep/file"]


def test_the_digest_of_a_folder_follows_names_and_contents_only(tmp_path):
    for name, content in (("one", "1"), ("two", "1")):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub/a").write_text(content)
        (tmp_path / name / "stamp").write_text(name)
    first, second = tmp_path / "one", tmp_path / "two"
    assert sha256_tree(first, skip="stamp") == sha256_tree(second, skip="stamp")
    assert sha256_tree(first) != sha256_tree(second)
    (second / "sub/a").rename(second / "sub/b")
    assert sha256_tree(first, skip="stamp") != sha256_tree(second, skip="stamp")


def test_the_digest_of_code_follows_content_and_versions(tmp_path):
    (tmp_path / "package").mkdir()
    module, inner = tmp_path / "module.py", tmp_path / "package/inner.py"
    digests = set()
    for one, two in (("a", "b"), ("b", "b"), ("b", "a")):
        module.write_text(one)
        inner.write_text(two)
        digests |= {sha256_code((module, inner.parent)), sha256_code((module, inner.parent), ("polars",))}
    assert len(digests) == 6


def test_the_digest_of_a_folder_takes_links_to_files_and_no_links_to_folders(tmp_path):
    (tmp_path / "plain/sub").mkdir(parents=True)
    (tmp_path / "plain/sub/a").write_text("1")
    (tmp_path / "linked/sub").mkdir(parents=True)
    (tmp_path / "linked/sub/a").symlink_to(tmp_path / "plain/sub/a")
    (tmp_path / "linked/again").symlink_to(tmp_path / "plain")
    (tmp_path / "linked/gone").symlink_to(tmp_path / "nothing")
    assert sha256_tree(tmp_path / "linked") == sha256_tree(tmp_path / "plain")


@pytest.mark.parametrize("num_bytes", [0, SMALL_BYTES, SMALL_BYTES + 1])
def test_the_digest_of_a_file_is_sha256_of_its_bytes(tmp_path, num_bytes):
    path = tmp_path / "file"
    path.write_bytes(b"x" * num_bytes)
    assert sha256_file(path) == hashlib.sha256(b"x" * num_bytes).hexdigest()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("a\n  b"), "a b"),
        (FileNotFoundError(2, "No such file or directory", "gone"), "No such file or directory (gone)"),
        (OSError(28, "No space left on device"), "No space left on device; free some space and run again"),
    ],
)  # fmt: skip
def test_a_stage_fails_with_one_sentence(monkeypatch, capsys, error, sentence):
    monkeypatch.delenv("ADCLICK_DEBUG", raising=False)
    monkeypatch.setattr(sys, "argv", [str(Path("stages/stage_x.py"))])

    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as stop:
        run_stage(fail)
    assert stop.value.code == 1
    assert capsys.readouterr().err == f"stage_x: error: {sentence}\n"
    monkeypatch.setenv("ADCLICK_DEBUG", "1")
    with pytest.raises(type(error)):
        run_stage(fail)


def test_our_own_bugs_keep_their_traceback(monkeypatch):
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run_stage(fail)


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_kept(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    left, living = tmp_path / f".out.{dead.pid}.partial", tmp_path / f".out.{os.getppid()}.partial"
    left.mkdir()
    (left / "half").write_text("half")
    living.write_text("half")
    with atomic_path(tmp_path / "out") as partial:
        partial.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [living.name, "out"]

"""Files that appear whole or not at all."""

from hashlib import sha256

import pytest

from contracts import files


def test_a_file_is_made_and_replaced_whole_with_its_folder(tmp_path):
    path = tmp_path / "reports/gate.json"
    for content in (b"before", b"after"):
        files.write_whole(path, content)
        assert path.read_bytes() == content and [*path.parent.iterdir()] == [path]
    assert files.sha256_file(path) == sha256(b"after").hexdigest()


def test_a_full_disk_leaves_the_file_of_before(tmp_path, monkeypatch):
    path = tmp_path / "gate.json"
    files.write_whole(path, b"before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_whole(path, b"after")
    assert path.read_bytes() == b"before" and [*tmp_path.iterdir()] == [path]


def test_files_and_folders_are_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files.os, "fsync", synced.append)
    files.write_whole(tmp_path / "a", b"")
    for path in (tmp_path / "a", tmp_path):
        files.sync(path)
    assert len(synced) == 2

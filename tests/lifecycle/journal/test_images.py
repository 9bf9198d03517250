"""Images of a journal: read by their digest, removed when they are old or too many, never while they come again."""

import fcntl
import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.clock import Clock
from lifecycle.journal import images
from lifecycle.journal.images import DamagedImage, NoImage, read_image, remove_images
from serving.triton.journal.images import ImageStore, image_path
from serving.triton.journal.options import JournalOptions
from tests.lifecycle.journal.journal_world import a_journal

NOW = datetime(2025, 1, 15, 8, tzinfo=UTC)  # what the tests do comes after it
MANY = 10**9


def a_store(folder):
    options = JournalOptions(
        segment_bytes=1, segment_s=1, sync_ms=0, refuses=False, folder=folder, images="unknown", clock=Clock()
    )  # fmt: skip
    return ImageStore(options, lambda *_, **__: None, print)


def keep(folder, content: bytes, days: float) -> str:
    """An image that came last so many days before NOW; its digest."""
    digest = hashlib.sha256(content)
    assert a_store(folder).keep({digest.digest(): content})
    used(folder, digest.hexdigest(), days)
    return digest.hexdigest()


def used(folder, sha256: str, days: float) -> None:
    when = (NOW - timedelta(days=days)).timestamp()
    os.utime(image_path(folder, sha256), (when, when))


def names(folder) -> set[str]:
    return {path.name for path in (folder / "images").rglob("*") if path.is_file()}


def test_an_image_is_read_by_its_digest(tmp_path):
    sha256 = keep(tmp_path, b"a picture", 0)
    assert read_image(tmp_path, sha256) == b"a picture"
    assert image_path(tmp_path, sha256) == tmp_path / "images" / sha256[:2] / sha256


def test_what_is_not_there_is_damaged_or_no_digest_is_said_in_one_sentence(tmp_path):
    sha256 = keep(tmp_path, b"a picture", 0)
    with pytest.raises(NoImage, match=f"has no image {'0' * 64}: serving.journal.images did not ask for it, or it was removed"):
        read_image(tmp_path, "0" * 64)
    for wrong in ("../../etc/passwd", sha256[:-1], sha256.upper()):
        with pytest.raises(NoImage, match="is no SHA-256; expected 64 hexadecimal digits"):
            read_image(tmp_path, wrong)
    image_path(tmp_path, sha256).write_bytes(b"a Picture")
    found = hashlib.sha256(b"a Picture").hexdigest()
    with pytest.raises(DamagedImage, match=f"{sha256} is damaged: its 9 bytes have the SHA-256 {found}; remove the file"):
        read_image(tmp_path, sha256)


def test_images_that_came_last_too_long_ago_are_removed(tmp_path):
    old, new = keep(tmp_path, b"old", 10.001), keep(tmp_path, b"new!", 9.999)
    removed = remove_images(tmp_path, 10, MANY, NOW)
    assert names(tmp_path) == {new} and old != new
    assert (removed.images, removed.bytes, removed.kept_images, removed.kept_bytes) == (1, 3, 1, 4)
    assert remove_images(tmp_path, 10, MANY, NOW).images == 0
    assert remove_images(tmp_path / "nothing", 10, MANY, NOW).kept_images == 0


def test_above_the_bound_what_came_longest_ago_goes_first(tmp_path):
    days = [3, 9, 1, 7, 5]
    kept = {day: keep(tmp_path, bytes([day]) * 100, day) for day in days}
    assert remove_images(tmp_path, 100, 500, NOW).images == 0
    removed = remove_images(tmp_path, 100, 250, NOW)
    assert names(tmp_path) == {kept[1], kept[3]}
    assert (removed.images, removed.bytes, removed.kept_images, removed.kept_bytes) == (3, 300, 2, 200)
    assert remove_images(tmp_path, 2, 100, NOW).images == 1 and names(tmp_path) == {kept[1]}
    assert remove_images(tmp_path, 100, 0, NOW).images == 1 and names(tmp_path) == set()


def test_images_that_came_at_the_same_moment_are_not_removed_beyond_the_bound(tmp_path):
    for number in range(8):
        keep(tmp_path, bytes([number]) * 100, 1)
    assert remove_images(tmp_path, 100, 350, NOW).images == 5 and len(names(tmp_path)) == 3


def test_an_image_that_comes_again_stays(tmp_path):
    sha256 = keep(tmp_path, b"a picture", 20)
    before = image_path(tmp_path, sha256).stat().st_ino
    assert a_store(tmp_path).keep({bytes.fromhex(sha256): b"a picture"})
    assert remove_images(tmp_path, 10, MANY, datetime.now(UTC)).images == 0
    assert image_path(tmp_path, sha256).stat().st_ino == before


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_image_that_comes_again_while_it_is_removed_is_there_afterwards(tmp_path, monkeypatch, moment):
    """Right before its name is taken away, and right after."""
    sha256 = keep(tmp_path, b"a picture", 20)

    def rename(source, target, rename=os.rename):
        monkeypatch.undo()
        if moment == "before":
            assert a_store(tmp_path).keep({bytes.fromhex(sha256): b"a picture"})
        rename(source, target)
        if moment == "after":
            assert a_store(tmp_path).keep({bytes.fromhex(sha256): b"a picture"})

    monkeypatch.setattr(images.os, "rename", rename)
    remove_images(tmp_path, 10, MANY, NOW)
    assert os.rename is not rename and read_image(tmp_path, sha256) == b"a picture" and names(tmp_path) == {sha256}


@pytest.mark.parametrize("days", [20, 1])
def test_a_removal_that_was_killed_is_finished_or_taken_back(tmp_path, days):
    sha256 = keep(tmp_path, b"a picture", days)
    path = image_path(tmp_path, sha256)
    os.rename(path, path.with_name(f".{sha256}.gone"))
    remove_images(tmp_path, 10, MANY, NOW)
    assert names(tmp_path) == (set() if days == 20 else {sha256})


def test_files_that_are_being_written_are_left_alone_and_those_of_dead_writers_are_not(tmp_path):
    keep(tmp_path, b"a picture", 0)
    folder = next((tmp_path / "images").iterdir())
    held, left, young = (folder / f".{name * 64}.0123456789abcdef.new" for name in "abc")
    for path, hours in ((held, 50), (left, 50), (young, 0.5)):
        path.write_bytes(b"half")
        when = (NOW - timedelta(hours=hours)).timestamp()
        os.utime(path, (when, when))
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        remove_images(tmp_path, 10, MANY, NOW)
        assert held.exists() and young.exists() and not left.exists()
    remove_images(tmp_path, 10, MANY, NOW)
    assert young.exists() and not held.exists()


def test_the_command_removes_what_the_settings_want_no_longer(tmp_path):
    a_journal(tmp_path)
    old, new = keep(tmp_path, b"old" * 1000, 10_000), keep(tmp_path, b"new", 0)
    os.utime(image_path(tmp_path, new))
    command = [sys.executable, "-m", "lifecycle.journal", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True)
    assert "journal: 312 rows of 1 segments are in" in done.stdout
    assert "journal: 1 images removed, 0.0 MiB; 1 are left, 0.0 MiB" in done.stdout
    assert names(tmp_path) == {new} and old != new

"""The store of images by itself: several processes, kills, what a power failure leaves, settings."""

import hashlib
import os
import signal
import time

import pytest

from contracts.clock import Clock
from lifecycle.journal.images import read_image
from serving.journal.folder import kept_journal
from serving.triton.journal.images import ImageStore, image_path
from serving.triton.journal.options import JournalOptions, journal_options
from serving.triton.journal.writer import REST_S
from tests.serving.journal.journalled import journal_config
from tests.serving.served_world import wait_for

IMAGES = {hashlib.sha256(content).digest(): content for content in (bytes([n]) * (20_000 + n) for n in range(40))}
STORED, LOST = "adclick_journal_images_total", "adclick_journal_images_lost_total"


def test_no_image_is_written_while_there_are_as_many_as_may_be(tmp_path):
    world = Kept(tmp_path)
    (first, image), (second, other) = [*IMAGES.items()][:2]
    assert world.store.keep({first: image})
    (tmp_path / "images-full").touch()
    assert world.store.keep({first: image, second: other}) and world.counted[LOST] == 1
    assert "images/ holds as much as it may (serving.journal.images_max_gib); answers go on without it" in world.said[0]
    (tmp_path / "images-full").unlink()
    time.sleep(REST_S)
    assert world.store.keep({second: other}) and len(files(tmp_path)) == 2


class Kept:
    """A store, what it counted and what it said."""

    def __init__(self, folder, **changed) -> None:
        known = {
            "segment_bytes": 1,
            "segment_s": 1,
            "sync_ms": 0,
            "refuses": False,
            "folder": folder,
            "images": "unknown",
            "clock": Clock(),
        }
        self.said, self.counted = list[str](), dict[str, float]()
        self.store = ImageStore(JournalOptions(**known | changed), self.count, self.said.append)

    def count(self, family: str, number: float = 1, outcome: str = "") -> None:
        self.counted[family + outcome] = self.counted.get(family + outcome, 0) + number


def files(folder) -> list[str]:
    return sorted(path.name for path in (folder / "images").rglob("*") if path.is_file())


def forked(work) -> int:
    """A process that does `work`; it ends with code 0 if that was done."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(3)
    return pid


def test_two_processes_that_keep_the_same_images_at_once_leave_each_once_and_whole(tmp_path):
    start = time.monotonic() + 0.3

    def work() -> None:
        kept = Kept(tmp_path)
        while time.monotonic() < start:
            pass
        for _ in range(5):
            assert kept.store.keep(IMAGES)
        assert kept.counted[LOST] == 0

    assert [os.waitpid(pid, 0)[1] for pid in [forked(work) for _ in range(3)]] == [0, 0, 0]
    assert files(tmp_path) == sorted(digest.hex() for digest in IMAGES)
    assert all(read_image(tmp_path, digest.hex()) == content for digest, content in IMAGES.items())


@pytest.mark.parametrize("call", ["open", "write", "rename", "after"])
def test_a_writer_that_is_killed_leaves_nothing_half_under_an_images_name(tmp_path, call):
    def work() -> None:
        real = getattr(os, "rename" if call == "after" else call)

        def killed(*args, **kwargs):
            if call == "write":  # in the midst of it
                real(args[0], bytes(args[1][:1000]))
            elif call in ("open", "after"):
                real(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)

        store = Kept(tmp_path).store
        setattr(os, "rename" if call == "after" else call, killed)
        store.keep(IMAGES)

    (tmp_path / "images" / next(iter(IMAGES)).hex()[:2]).mkdir(parents=True)
    assert os.waitpid(forked(work), 0)[1] == signal.SIGKILL
    digest, content = next(iter(IMAGES.items()))
    left = files(tmp_path)
    assert (left == [digest.hex()]) if call == "after" else (len(left) == 1 and left[0].endswith(".new"))
    kept = Kept(tmp_path)
    assert kept.store.keep({digest: content}) and read_image(tmp_path, digest.hex()) == content
    assert kept.counted[f"{STORED}written"] == (0 if call == "after" else 1)


def test_what_a_power_failure_left_is_written_anew(tmp_path):
    digest, content = next(iter(IMAGES.items()))
    path = image_path(tmp_path, digest.hex())
    path.parent.mkdir(parents=True)
    path.touch()
    assert Kept(tmp_path).store.keep({digest: content}) and path.read_bytes() == content


def test_new_images_and_their_folders_are_committed_to_the_disk(tmp_path, monkeypatch):
    synced = set()

    def fsync(file, real=os.fsync):
        synced.add(os.readlink(f"/proc/self/fd/{file}"))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    kept = Kept(tmp_path, sync_ms=10)
    assert kept.store.keep(IMAGES)
    paths = {image_path(tmp_path, digest.hex()) for digest in IMAGES}
    wait_for(lambda: synced >= {str(path) for path in paths} | {str(path.parent) for path in paths}, 10, "all are committed")
    assert str(tmp_path / "images") in synced
    kept.store.close()


def test_a_store_that_fails_is_told_once_and_tried_again(tmp_path):
    (tmp_path / "images").touch()  # no folder
    kept, refusing = Kept(tmp_path), Kept(tmp_path, refuses=True)
    assert kept.store.keep(IMAGES) and not refusing.store.keep(IMAGES)
    assert kept.counted[LOST] == 40 and refusing.counted[LOST] == 0
    assert len(kept.said) == 1 and "answers go on without it, counted in adclick_journal_images_lost_total" in kept.said[0]
    assert len(refusing.said) == 1 and "requests with such images are refused" in refusing.said[0]
    (tmp_path / "images").unlink()
    time.sleep(REST_S)
    assert kept.store.keep(IMAGES) and refusing.store.keep(IMAGES)
    assert kept.counted[LOST] == 40 and kept.counted[f"{STORED}written"] == refusing.counted[f"{STORED}there"] == 40
    assert kept.said[1:] == ["images are written to the journal again"]


def test_the_environment_says_which_images_are_kept(tmp_path, monkeypatch):
    for images, told in (("none", None), ("unknown", "unknown"), ("all", "all")):
        with kept_journal(journal_config(tmp_path / "journal", images=images)) as environment:
            assert environment.get("ADCLICK_JOURNAL_IMAGES") == told
            monkeypatch.delenv("ADCLICK_JOURNAL_IMAGES", raising=False)
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            assert journal_options().images == images
    monkeypatch.setenv("ADCLICK_JOURNAL_IMAGES", "some")
    with pytest.raises(
        ValueError, match="ADCLICK_JOURNAL_IMAGES is not understood: expected one of none, unknown, all, got 'some'"
    ):
        journal_options()

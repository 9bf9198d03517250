"""What happens to the journal when something else does: kills, full disks, folders that go away, a second server."""

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import tritonclient.grpc as triton

from serving.journal.folder import kept_journal
from serving.server.stubs import stubs
from tests.serving.doors import ask_grpc, packed
from tests.serving.journal.journalled import journal_config, journalling
from tests.serving.metrics import scrape, total
from tests.serving.served_world import exported_with, wait_for
from tests.serving.strict_world import STRICT_LIMITS

pytestmark = pytest.mark.triton
CLIENTS = 6
LOST, KEPT = "adclick_journal_lost_total", "adclick_journal_total"


@pytest.fixture(scope="module")
def repository(strict_exported, tmp_path_factory):
    return exported_with(strict_exported, tmp_path_factory.mktemp("faulty") / "repository", **STRICT_LIMITS)


class Asking:
    """Clients that ask without pause, plainly and not, and keep the ids of what they were answered."""

    def __init__(self, server, spec, rows) -> None:
        self.replies, self._stop = [], threading.Event()
        plain = [packed(rows[n : n + 1 + n % 3], spec) for n in range(10)]
        careful = [packed(rows[n : n + 2].with_columns(site=rows["site"][:2] + "\x1f"), spec) for n in range(2)]
        self._requests = plain + careful
        self._threads = [threading.Thread(target=self._ask, args=(server.grpc_url, n)) for n in range(CLIENTS)]

    def _ask(self, url: str, turn: int) -> None:
        with triton.InferenceServerClient(url) as client:
            while not self._stop.is_set():
                turn += 1
                reply = ask_grpc(client, self._requests[turn % len(self._requests)])
                self.replies.append(reply)
                if reply.code != "OK":
                    time.sleep(0.01)

    def __enter__(self) -> "Asking":
        for thread in self._threads:
            thread.start()
        wait_for(lambda: len(self.answered()) > 100, 30, "the clients are answered")
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def answered(self):
        return [reply for reply in [*self.replies] if reply.code == "OK"]


def assert_all_there(table, answered) -> None:
    """Every answer that a client received is in the Parquet once, with its rows and probabilities."""
    rows = Counter(table["prediction_id"].to_list())
    for reply in answered:
        assert rows[reply.prediction_id] == len(reply.probability)
    found = dict(zip(zip(table["prediction_id"], table["row"], strict=True), table["probability"], strict=True))
    assert len(found) == len(table)
    assert all(found[reply.prediction_id, row] == p for reply in answered for row, p in enumerate(reply.probability.tolist()))


def test_what_clients_received_is_there_after_the_server_was_killed(repository, strict_spec, strict_rows, tmp_path):
    with journalling(tmp_path, repository, segment_mib=0.02) as running:
        with Asking(running.server, strict_spec, strict_rows) as asking:
            running.server._kill_group()  # kill -9 of tritonserver and its Python models, in the midst of it
            running.server.process.wait()
        assert len(running.segments()) > 3
    assert_all_there(running.served(), asking.answered())


def test_what_clients_received_is_there_after_its_python_models_were_killed(repository, strict_spec, strict_rows, tmp_path):
    with journalling(tmp_path, repository) as running:
        with Asking(running.server, strict_spec, strict_rows) as asking:
            before = len(asking.replies)
            for pid, (model, _) in stubs(running.server.process.pid).items():
                if model == "ctr_careful":
                    os.kill(pid, signal.SIGKILL)
            wait_for(lambda: any(r.code == "INTERNAL" for r in asking.replies[before:]), 20, "a request was lost on the way")
        failed = [refusal for refusal in running.refusals() if refusal["rule"] == "failed"]
        assert failed and all(refusal["rows"] in (1, 2, 3) and refusal["bytes"] for refusal in failed)
    assert_all_there(running.served(), asking.answered())


def test_sigterm_under_load_ends_segments_in_order(repository, strict_spec, strict_rows, tmp_path):
    with journalling(tmp_path, repository) as running, Asking(running.server, strict_spec, strict_rows) as asking:
        running.server.process.terminate()
        running.server.process.wait(20)
    assert_all_there(running.served(), asking.answered())


@pytest.fixture
def small_disk(tmp_path):
    """A file system that is soon full."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def counted(server, family: str, what: str) -> float:
    return total(scrape(server), family, what=what)


@pytest.mark.mount
def test_on_a_full_disk_answers_are_those_that_are_written_and_those_that_are_counted(
    repository, strict_spec, strict_rows, tmp_path, small_disk
):
    with journalling(tmp_path, repository, small_disk) as running:
        with Asking(running.server, strict_spec, strict_rows) as asking:
            wait_for(lambda: counted(running.server, LOST, "rows") > 300, 60, "the disk is full, and answers are lost")
        time.sleep(0.5)  # two intervals of the counters
        answered = asking.answered()
        assert {reply.code for reply in asking.replies} == {"OK"}
        kept, lost = (counted(running.server, family, "requests") for family in (KEPT, LOST))
        written = {row["prediction_id"] for row in running.rows()}
        assert len(written) == kept and len(answered) == kept + lost and lost > 50
        assert len(written & {reply.prediction_id for reply in answered}) == kept
        (small_disk / "segments").joinpath(running.segments()[0].name).unlink()  # there is room again: what was in it is lost
        with Asking(running.server, strict_spec, strict_rows):
            wait_for(lambda: counted(running.server, KEPT, "requests") > kept, 20, "it is written again")
    assert "the journal cannot be written: " in (tmp_path / "triton.log").read_text()


@pytest.mark.mount
def test_what_cannot_be_written_is_unavailable_if_that_is_wanted(repository, strict_spec, strict_rows, tmp_path, small_disk):
    with journalling(tmp_path, repository, small_disk, on_error="refuse") as running:
        with Asking(running.server, strict_spec, strict_rows) as asking:
            wait_for(lambda: any(reply.code != "OK" for reply in asking.replies), 60, "the disk is full")
            time.sleep(0.5)
        reasons = Counter((reply.code, reply.error) for reply in asking.replies if reply.code != "OK")
        assert {code for code, _ in reasons} == {"UNAVAILABLE"}
        assert all("serving.journal.on_error is refuse" in error for _, error in reasons)
        assert {row["prediction_id"] for row in running.rows()} == {reply.prediction_id for reply in asking.answered()}


@pytest.mark.mount
def test_a_disk_that_turns_read_only_is_told_and_what_was_written_is_read(
    repository, strict_spec, strict_rows, tmp_path, small_disk
):
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)  # it must not be full before
    with journalling(tmp_path, repository, small_disk, segment_s=1) as running:
        with Asking(running.server, strict_spec, strict_rows) as asking:
            subprocess.run(["mount", "--bind", small_disk, small_disk], check=True)  # or it is busy: a segment is open
            subprocess.run(["mount", "-o", "remount,ro,bind", small_disk], check=True)
            wait_for(lambda: counted(running.server, LOST, "requests") > 50, 30, "what is answered is counted as lost")
        assert {reply.code for reply in asking.replies} == {"OK"}
        written = len({row["prediction_id"] for row in running.rows()})
        wait_for(lambda: counted(running.server, KEPT, "requests") == written > 0, 10, "what is written is counted")
    assert "Read-only file system" in (tmp_path / "triton.log").read_text()
    subprocess.run(["umount", "-l", small_disk], check=True)


def test_a_folder_that_is_removed_is_told_and_answers_go_on(repository, strict_spec, strict_rows, tmp_path):
    with journalling(tmp_path, repository) as running, Asking(running.server, strict_spec, strict_rows) as asking:
        os.rename(running.folder / "segments", tmp_path / "elsewhere")
        for path in (tmp_path / "elsewhere").iterdir():
            path.unlink()
        wait_for(lambda: "was removed while it was written" in (tmp_path / "triton.log").read_text(), 10, "it is noticed")
        wait_for(lambda: counted(running.server, LOST, "requests") > 50, 20, "what is answered is counted as lost")
        assert {reply.code for reply in asking.replies} == {"OK"}


def test_a_second_server_on_the_folder_is_refused_in_one_sentence(tmp_path):
    config = journal_config(tmp_path / "journal")
    with kept_journal(config) as told:
        assert told["ADCLICK_JOURNAL"] == f"1048576 600.0 20 answer {tmp_path / 'journal'}"
        assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("journal", "journal/segments")] == [0o750] * 2
        with (
            pytest.raises(
                ValueError, match=rf"another server \(process {os.getpid()}\) keeps its journal in .*journal; give each a"
            ),
            kept_journal(config),
        ):
            pass
    with kept_journal(config):
        pass  # the first is gone


def test_a_folder_that_cannot_be_written_is_refused_before_anything_starts(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ValueError, match=r"the journal cannot be written to .*file/journal \(serving.journal.folder\): Not a"),
        kept_journal(journal_config(tmp_path / "file/journal")),
    ):
        pass
    with (
        pytest.raises(ValueError, match=r"the journal cannot be written to /proc/1 \(serving.journal.folder\)"),
        kept_journal(journal_config(Path("/proc/1"))),
    ):
        pass
    with (
        pytest.raises(ValueError, match="serving.journal.folder has 1... bytes, at most 1000; take a shorter one"),
        kept_journal(journal_config(tmp_path.joinpath(*["\u00e9" * 100] * 6))),
    ):
        pass


def test_no_journal_is_kept_unless_it_is_enabled(tmp_path):
    for config in (None, journal_config(tmp_path / "journal", enabled=False)):
        with kept_journal(config) as told:
            assert told == {}
    assert not (tmp_path / "journal").exists()

"""A million answered rows and a hundred kills -9, of the server and of what makes Parquet: nothing received is missing."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from uuid import UUID

import polars as pl
import pytest
import tritonclient.grpc as triton

from tests.serving.doors import grpc_inputs, packed, send_grpc
from tests.serving.journal.journalled import Journalled, journalling
from tests.serving.served_world import exported_with
from tests.serving.strict_world import STRICT_LIMITS

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.triton
CLIENTS, LARGEST = 6, 40
Received = list[tuple[bytes, int]]  # id of an answer, its rows


class Asking:
    """Clients that ask until the server is gone, or they are told to stop."""

    def __init__(self, url: str, requests: list, seed: int) -> None:
        self.received: Received = []
        self.rows, self._url, self._requests, self._stop = 0, url, requests, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(random.Random(seed * CLIENTS + n),)) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _ask(self, chance: random.Random) -> None:
        with triton.InferenceServerClient(self._url) as client:
            while not self._stop.is_set():
                rows, inputs = chance.choice(self._requests)
                reply = send_grpc(client, inputs, "ctr")
                if reply.code == "OK":
                    self.received.append((UUID(reply.prediction_id).bytes, rows))
                    self.rows += rows
                else:
                    time.sleep(0.01)  # the server is gone

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def one_life(folder: Path, journal: Path, repository: Path, requests: list, rows: int, seed: int) -> Received:
    """Serve until so many rows were received, and kill everything in the midst of it."""
    chance = random.Random(seed)
    with journalling(folder, repository, journal, segment_mib=chance.choice([0.05, 1, 16]), segment_s=2) as running:
        command = [sys.executable, "-m", "lifecycle.journal", "--folder", str(journal), "--follow"]
        parquet = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        asking = Asking(running.server.grpc_url, requests, seed)
        deadline = time.monotonic() + 120
        while asking.rows < rows and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(chance.random() * 0.3)
        os.kill(parquet.pid, signal.SIGKILL)
        parquet.wait()
        running.server._kill_group()
        running.server.process.wait()
        asking.stop()
    assert asking.rows >= rows
    return asking.received


def lives(folder: Path, repository: Path, requests: list, number: int, rows: int) -> tuple[Received, pl.DataFrame]:
    received: Received = []
    for seed in range(number):
        received += one_life(folder, folder / "journal", repository, requests, rows, seed)
    return received, Journalled(server=None, folder=folder / "journal").served()


@pytest.mark.parametrize(
    ("number", "rows"), [(2, 3_000), pytest.param(100, 10_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
def test_no_received_row_is_missing_and_none_is_there_twice(strict_exported, strict_spec, strict_rows, tmp_path, number, rows):
    repository = exported_with(strict_exported, tmp_path / "repository", **STRICT_LIMITS)
    some = [strict_rows[n % 10 : n % 10 + n] for n in range(1, LARGEST)]
    careful = [rows.with_columns(site=rows["site"] + "\x1f") for rows in some[:4]]  # for the model in Python
    requests = [(len(rows), grpc_inputs(packed(rows, strict_spec))) for rows in some + careful]
    received, table = lives(tmp_path, repository, requests, number, rows)
    found = Counter(table["prediction_id"].to_list())
    wrong = [text for key, num in received if found[text := str(UUID(bytes=key))] != num]
    answered = sum(num for _, num in received)
    assert wrong == [] and answered >= number * rows
    assert table.select("prediction_id", "row").is_unique().all()
    print(f"{answered:,} rows received, {len(table):,} in Parquet, {number} kills, {len(wrong)} missing")

"""Images by the hundred thousand: read in pieces, each content decoded once, the same outputs whatever the pieces."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.tables.images import to_pixels, unreadable
from stages.images import folder, once, pixels, table
from stages.images.folder import ImageFiles, by_name
from stages.images.once import OncePerContent
from stages.images.pixels import PixelFile, write_pixels
from stages.images.table import creatives_in, images_in, write_images
from tests.contracts.declared import FEATURE, LABEL, declared
from tests.stages.pipeline_world import CONF, declaration, run, write_month, write_params, write_png

CREATIVE = {"name": "ad", "role": "creative", "dtype": "string"}
SHOWN = declared(CREATIVE, FEATURE, LABEL, images={"files": "**/*.png"})


def test_a_content_is_worked_on_once_also_by_threads_that_ask_at_the_same_time():
    results, asked, met = OncePerContent[str](), [], threading.Barrier(8)

    def work(content: bytes) -> str:
        asked.append(content)
        time.sleep(0.05)
        return content.decode()

    found = []

    def ask(content: bytes) -> None:
        met.wait()
        found.append(results(content, work))

    threads = [threading.Thread(target=ask, args=(content,)) for content in [b"a", b"b"] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(asked) == [b"a", b"b"]
    assert sorted(found) == ["a"] * 4 + ["b"] * 4


def test_work_that_fails_is_done_again_and_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(once, "REMEMBERED", 2)
    results, asked = OncePerContent[int](), []

    def work(content: bytes) -> int:
        asked.append(content)
        if len(asked) == 1:
            raise ValueError("not now")
        return len(asked)

    with pytest.raises(ValueError, match="not now"):
        results(b"a", work)
    assert [results(content, work) for content in (b"a", b"a", b"b", b"c", b"c", b"a")] == [2, 2, 3, 4, 4, 5]


def test_a_creative_has_the_last_readable_of_its_files_and_the_others_are_named(tmp_path):
    for name, color in {"x/ad2": (1, 2, 3), "y10/ad1": (4, 5, 6), "y9/ad1": (7, 8, 9), "a.b": (1, 1, 1)}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_png(tmp_path / f"{name}.png", color)
    (tmp_path / "z").mkdir()
    (tmp_path / "z/ad1.png").write_bytes(b"torn")
    (tmp_path / "z/ad3.png").write_bytes(b"")
    (tmp_path / ".hidden.png").write_bytes(b"")
    images = ImageFiles(tmp_path, SHOWN)
    assert list(images.creatives()) == ["a.b", "ad1", "ad2", "ad3"]
    found = {image.creative_id: image for image in images.checked(images.creatives(), OncePerContent())}
    assert list(found) == ["a.b", "ad1", "ad2", "ad3"]
    assert found["ad1"].content == (tmp_path / "y10/ad1.png").read_bytes()
    assert found["ad3"].content is None
    reason = unreadable(b"")
    assert found["ad1"].refused == (("z/ad1.png", reason),)
    assert by_name([*found["ad3"].refused, *found["ad1"].refused]) == [f"ad1.png: {reason}", f"ad3.png: {reason}"]
    assert images.read("nobody", unreadable).content is None


def test_the_table_has_small_row_groups_and_reads_back_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "GROUP_IMAGES", 4)
    monkeypatch.setattr(table, "GROUP_BYTES", 30)
    shown = [(f"ad{i}", b"x" * (31 if i == 5 else 2)) for i in range(11)]
    assert write_images(tmp_path / "t.parquet", iter(shown)) == [creative for creative, _ in shown]
    groups = pq.read_metadata(tmp_path / "t.parquet")
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [4, 2, 4, 1]
    assert [len(piece) for piece in images_in(tmp_path / "t.parquet", 3)][-1] == 2
    assert [pair for piece in images_in(tmp_path / "t.parquet", 3) for pair in piece] == shown
    assert [creative for piece in creatives_in(tmp_path / "t.parquet") for creative in piece] == [name for name, _ in shown]
    assert write_images(tmp_path / "none.parquet", iter(())) == []
    assert pl.read_parquet(tmp_path / "none.parquet").schema == {"creative_id": pl.String, "image": pl.Binary}


def test_images_that_were_read_are_not_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "GROUP_IMAGES", 16)
    rng = np.random.default_rng(0)
    write_images(tmp_path / "images.parquet", ((f"ad-{i:04}", rng.bytes(4096)) for i in range(1000)))
    before, most = pa.total_allocated_bytes(), 0
    for _ in images_in(tmp_path / "images.parquet", 8):
        most = max(most, pa.total_allocated_bytes() - before)
    assert 0 < most < (tmp_path / "images.parquet").stat().st_size / 4


def test_pixels_of_the_last_table_count_and_equal_images_are_decoded_once(tmp_path, monkeypatch):
    decoded = []
    monkeypatch.setattr(pixels, "to_pixels", lambda content, size: decoded.append(content) or to_pixels(content, size))
    contents = []
    for i, color in enumerate([(250, 0, 0), (0, 250, 0), (0, 0, 250)]):
        write_png(tmp_path / f"{i}.png", color)
        contents.append((tmp_path / f"{i}.png").read_bytes())
    red, green, blue = contents
    write_images(tmp_path / "a.parquet", [("ad1", red), ("ad2", green)])
    write_images(tmp_path / "b.parquet", [("ad2", blue), ("ad4", blue)])
    tables = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    done = write_pixels(tmp_path / "p.npy", tables, lambda ids: np.array([int(name[2:]) for name in ids]), 6, 8)
    assert sum(done) == 3
    found = np.load(tmp_path / "p.npy")
    assert found.shape == (6, 3, 8, 8) and found.dtype == np.uint8
    assert found.sum(axis=(2, 3)).tolist() == [[0] * 3, [16000, 0, 0], [0, 0, 16000], [0] * 3, [0, 0, 16000], [0] * 3]
    assert sorted(decoded) == sorted([red, blue])


def test_an_image_that_cannot_be_decoded_ends_encode_with_its_error(tmp_path):
    write_images(tmp_path / "a.parquet", [("ad1", b"torn")])
    file = PixelFile(tmp_path / "p.npy", 2, 8)
    with pytest.raises(ValueError, match="no image of a kind that is read"):
        file.write(1, b"torn")
    file.close()
    with pytest.raises(ValueError, match="no image of a kind that is read"):
        list(write_pixels(tmp_path / "p.npy", [tmp_path / "a.parquet"], lambda ids: np.array([1]), 2, 8))


def test_outputs_are_the_same_whatever_the_pieces(project, monkeypatch):
    for month in (1, 2):
        write_month(project / "source", month)
    write_params(declaration())
    run("acquire", "validate", "split", "fit", "encode")
    outputs = [*Path("data/clean").rglob("*.parquet"), *Path("data/encoded").rglob("*.npy")]
    first = {path: path.read_bytes() for path in outputs}
    monkeypatch.setattr(folder, "PIECE", 2)
    monkeypatch.setattr(folder, "THREADS", 1)
    for path in Path("data/clean").rglob("report.json"):
        path.unlink()
    run("validate", "encode")
    assert {path: path.read_bytes() for path in outputs} == first
    assert len(pl.read_parquet("data/clean/2024-01/creatives.parquet")) == 5
    assert sorted(path.name for path in Path("data/clean").iterdir()) == ["2024-01", "2024-02"]


def test_what_a_killed_run_left_of_images_is_gone_after_the_next(project):
    folder_of_month = write_month(project / "source", 1, 60_000)
    for i in range(3000):
        write_png(folder_of_month / f"ads/more{i}.png", (i % 256, i // 256, 7))
    write_month(project / "source", 2)
    write_params(declaration())
    run("acquire")
    environment = os.environ | {"PYTHONPATH": str(CONF.parent)}
    running = subprocess.Popen([sys.executable, "-m", "stages.validate"], env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not list(Path("data/clean").glob(".images.*/*.parquet")) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert running.poll() is None
        running.send_signal(signal.SIGKILL)
    finally:
        running.kill()
        running.wait()
    assert list(Path("data/clean").glob(".images.*"))
    run("validate")
    assert sorted(path.name for path in Path("data/clean").iterdir()) == ["2024-01", "2024-02"]
    assert len(pl.read_parquet("data/clean/2024-01/creatives.parquet")) == 3005

"""Images that the model looked at: they are kept, and the journal says what they look like and what the ranker got."""

import hashlib
import os
import subprocess
import time
from io import BytesIO

import numpy as np
import onnxruntime as ort
import polars as pl
import pytest
from PIL import Image

from lifecycle.journal.images import read_image
from stages.files import read_json
from tests.contracts.test_images import by_hand
from tests.serving.doors import by_name, over_grpc, packed
from tests.serving.journal.journalled import journalling
from tests.serving.metrics import scrape, total
from tests.serving.pictures import encoded, noise
from tests.serving.served_world import exported_with, wait_for
from tests.serving.strict_world import STRICT_LIMITS

pytestmark = pytest.mark.triton
STRANGER = 77
STORED, LOST = "adclick_journal_images_total", "adclick_journal_images_lost_total"


@pytest.fixture(scope="module")
def repository(strict_exported, tmp_path_factory):
    return exported_with(strict_exported, tmp_path_factory.mktemp("pictures") / "repository", **STRICT_LIMITS)


@pytest.fixture(scope="module", params=[True, False], ids=["native", "python"])
def journalled(request, strict_exported, tmp_path_factory):
    """A server with a journal: `ctr` is the backend in C, which hands on what comes with images, or the Python model."""
    folder = tmp_path_factory.mktemp("pictured")
    repository = exported_with(strict_exported, folder / "repository", native=request.param, **STRICT_LIMITS)
    with journalling(folder, repository) as running:
        yield running


def names(running) -> set[str]:
    return {path.name for path in (running.folder / "images").rglob("*") if path.is_file()}


def digest(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()


def strangers(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.lit(STRANGER, pl.Int64).alias("ad"))


def rows_of(running, reply) -> list[dict]:
    assert reply.code == "OK", reply.error
    return [row for row in running.rows() if row["prediction_id"] == reply.prediction_id]


def picture(kind: str, side: int) -> bytes:
    """Of many colours, none of them in all of it."""
    buffer = BytesIO()
    gradient = np.linspace(0, 200, side * side * 3).reshape(side, side, 3).astype(np.uint8)
    Image.fromarray(gradient).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("build", [packed, by_name])
def test_an_unknown_creatives_image_is_kept_with_its_looks_and_its_embedding(
    journalled, strict_exported, strict_spec, strict_rows, build
):
    side = 30 if build is packed else 40
    images = [picture("PNG", side), b"", picture("JPEG", side), picture("PNG", side)]
    model = "ctr" if build is packed else "ctr_by_name"
    reply = over_grpc(journalled.server, build(strangers(strict_rows[:4]), strict_spec, images), model)
    found = rows_of(journalled, reply)
    export = strict_exported / "artifacts/export"
    size, session = read_json(export / "features.json")["image_size"], ort.InferenceSession(export / "creative_encoder.onnx")
    for row, image in zip(found, images, strict=True):
        if not image:
            assert row["image_sha256"] is None and row["looks"] is None
            continue
        rgb, looks = Image.open(BytesIO(image)).convert("RGB"), row["looks"]
        assert row["image_sha256"] == digest(image) and read_image(journalled.folder, digest(image)) == image
        assert (looks["image_width"], looks["image_height"], looks["image_bytes"]) == (side, side, len(image))
        assert looks["image_format"] == (1 if image[1:4] == b"PNG" else 2)
        measured = [looks[f"image_{name}"] for name in ("brightness", "contrast", "colourfulness")]
        assert measured == pytest.approx(by_hand(rgb), rel=1e-6)
        pixels = np.asarray(rgb.resize((size, size), Image.Resampling.BOX)).transpose(2, 0, 1)[None]
        (embedding,) = session.run(None, {"creative_pixels": np.ascontiguousarray(pixels)})[0]
        assert looks["image_embedding"] == pytest.approx(embedding.tolist(), abs=1e-6)
    path = journalled.folder / "images" / digest(images[0])[:2]
    assert (path.stat().st_mode & 0o777, (path / digest(images[0])).stat().st_mode & 0o777) == (0o750, 0o640)


def test_images_of_known_creatives_and_of_refused_requests_are_not_kept(journalled, strict_spec, strict_rows):
    known = strict_rows.filter(pl.col("ad") < 5)[:1]
    shown, refused = encoded(color=(9, 9, 1)), encoded(color=(9, 9, 2))
    (row,) = rows_of(journalled, over_grpc(journalled.server, packed(known, strict_spec, [shown])))
    assert row["image_sha256"] == digest(shown) and row["looks"] is None
    both = pl.concat([strangers(strict_rows[:1]), strict_rows[:1].with_columns(visits=pl.lit(-3, pl.Int64))])
    assert over_grpc(journalled.server, packed(both, strict_spec, [refused, b""])).code == "INVALID_ARGUMENT"
    assert not names(journalled) & {digest(shown), digest(refused)}


def test_the_same_image_is_one_file_that_says_when_it_came_last(journalled, strict_spec, strict_rows):
    image = encoded(color=(1, 2, 3))
    request = packed(strangers(strict_rows[:3]), strict_spec, [image] * 3)
    over_grpc(journalled.server, request)
    path = journalled.folder / "images" / digest(image)[:2] / digest(image)
    file = path.stat().st_ino
    os.utime(path, (1_000_000_000, 1_000_000_000))
    found = rows_of(journalled, over_grpc(journalled.server, request))
    assert path.stat().st_ino == file and time.time() - path.stat().st_mtime < 60
    assert found[0]["looks"] == found[1]["looks"] == found[2]["looks"] is not None


def test_what_is_kept_is_counted(repository, strict_spec, strict_rows, tmp_path):
    with journalling(tmp_path, repository) as running:
        images = [noise(9, seed) for seed in (1, 2, 1)]
        for _ in range(2):
            assert over_grpc(running.server, packed(strangers(strict_rows[:3]), strict_spec, images)).code == "OK"

        def counted() -> list[float]:
            found = scrape(running.server)
            stored = [total(found, STORED, outcome=outcome) for outcome in ("written", "there")]
            return [*stored, total(found, "adclick_journal_image_bytes_total"), total(found, LOST)]

        wait_for(lambda: counted() == [2, 2, len(images[0]) + len(images[1]), 0], 5, "it is counted")
    shown = running.served()
    assert shown["image_width"].to_list() == [9] * 6 and set(shown["image_format"]) == {"PNG"}
    assert {len(embedding) for embedding in shown["image_embedding"].to_list()} == {len(embedding_of(running))}


def embedding_of(running) -> list[float]:
    return running.rows()[0]["looks"]["image_embedding"]


@pytest.mark.parametrize("images", ["none", "all"])
def test_which_images_are_kept_is_said_by_the_settings(repository, strict_spec, strict_rows, tmp_path, images):
    known = strict_rows.filter(pl.col("ad") < 5)[:1]
    sent = [encoded(color=(7, 7, 1)), encoded(color=(7, 7, 2))]
    with journalling(tmp_path, repository, images=images) as running:
        reply = over_grpc(running.server, packed(pl.concat([known, strangers(known)]), strict_spec, sent))
        found = rows_of(running, reply)
    assert [row["looks"] is None for row in found] == [True, False]
    assert [row["image_sha256"] for row in found] == [*map(digest, sent)]
    assert names(running) == ({*map(digest, sent)} if images == "all" else set())


@pytest.fixture
def small_disk(tmp_path):
    """The images' folder on a file system that is soon full; the segments have room."""
    folder = tmp_path / "journal/images"
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def ask_with(running, strict_spec, strict_rows, image: bytes):
    return over_grpc(running.server, packed(strangers(strict_rows[:1]), strict_spec, [image]))


@pytest.mark.mount
def test_on_a_full_disk_images_are_kept_or_counted_as_lost(repository, strict_spec, strict_rows, tmp_path, small_disk):
    with journalling(tmp_path, repository) as running:
        images = [noise(45, seed) for seed in range(25)]  # 6 KB each
        replies = [ask_with(running, strict_spec, strict_rows, image) for image in images]
        assert {reply.code for reply in replies} == {"OK"}
        kept = names(running)
        assert 5 <= len(kept) <= 15 and kept <= {*map(digest, images)}
        assert all(read_image(running.folder, sha256) for sha256 in kept)  # whole, each of them
        wait_for(lambda: total(scrape(running.server), LOST) == 25 - len(kept), 5, "all others are counted as lost")
        assert total(scrape(running.server), STORED, outcome="written") == len(kept)
        assert {row["image_sha256"] for row in running.rows()} == {*map(digest, images)}
        assert ask_with(running, strict_spec, strict_rows, images[0]).code == "OK"
        wait_for(lambda: total(scrape(running.server), STORED, outcome="there") == 1, 5, "one that is there is not lost")
        for sha256 in kept:
            (small_disk / sha256[:2] / sha256).unlink()
        time.sleep(0.2)
        assert ask_with(running, strict_spec, strict_rows, images[-1]).code == "OK" and names(running) == {digest(images[-1])}
    log = (tmp_path / "triton.log").read_text()
    assert log.count("an image cannot be written to the journal: [Errno 28] No space left on device; answers go on") >= 1
    assert "images are written to the journal again" in log


@pytest.mark.mount
def test_what_came_with_an_image_that_cannot_be_kept_is_unavailable_if_that_is_wanted(
    repository, strict_spec, strict_rows, tmp_path, small_disk
):
    with journalling(tmp_path, repository, on_error="refuse") as running:
        images = [noise(45, seed) for seed in range(20)]
        replies = [ask_with(running, strict_spec, strict_rows, image) for image in images]
        answered = {digest(image) for image, reply in zip(images, replies, strict=True) if reply.code == "OK"}
        assert answered == names(running) == {row["image_sha256"] for row in running.rows()}
        refused = {(reply.code, reply.error) for reply in replies if reply.code != "OK"}
        assert {code for code, _ in refused} == {"UNAVAILABLE"}
        assert all("serving.journal.on_error is refuse" in error for _, error in refused)
        assert over_grpc(running.server, packed(strict_rows[:1], strict_spec)).code == "OK"
        assert total(scrape(running.server), LOST) == 0

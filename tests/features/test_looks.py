"""Looks of the creatives that training rows showed: quantiles over rows, by hand."""

from io import BytesIO

import numpy as np
import polars as pl
import pytest
from PIL import Image

from stages.features import looks
from stages.features.looks import looks_profile, weighted_quantiles


def png(grey: int, width: int = 4) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (width, 4), (grey, grey, grey)).save(buffer, "PNG")
    return buffer.getvalue()


def write_images(folder, month: str, images: dict[str, bytes]) -> None:
    (folder / month).mkdir()
    schema = {"creative_id": pl.String, "image": pl.Binary}
    pl.DataFrame(list(images.items()), schema=schema, orient="row").write_parquet(folder / month / "creatives.parquet")


def test_quantiles_count_rows():
    found = weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.array([1, 1, 98]))
    assert found == [1.0, *[2.0] * 19, 3.0]
    assert weighted_quantiles(np.array([5.0]), np.array([7])) == [5.0] * 21
    assert weighted_quantiles(np.arange(100.0), np.ones(100, dtype=int)) == [0.0, *(5.0 * i - 1 for i in range(1, 21))]


def test_only_shown_creatives_count_and_the_newest_image_of_each(tmp_path):
    write_images(tmp_path, "2024-01", {"a": png(0), "b": png(255), "unseen": png(100)})
    write_images(tmp_path, "2024-02", {"a": png(51, width=8)})
    found = looks_profile(tmp_path, pl.Series(["a", "a", "a", "b", "without", None]), seed=1)
    assert found["brightness"] == [pytest.approx(0.2)] * 16 + [pytest.approx(1.0)] * 5  # a share of 0.75 is at or below a's
    assert found["width"] == [4.0] * 6 + [8.0] * 15
    assert found["contrast"] == [0.0] * 21 and found["height"] == [4.0] * 21


def test_numbers_name_creatives_too(tmp_path):
    write_images(tmp_path, "2024-01", {"7": png(255)})
    assert looks_profile(tmp_path, pl.Series([7, 8]), seed=1)["brightness"] == [1.0] * 21


def test_no_shown_image_is_none(tmp_path):
    write_images(tmp_path, "2024-01", {"a": png(0)})
    assert looks_profile(tmp_path, pl.Series(["b"]), seed=1) is None


def test_of_many_images_some_are_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(looks, "MOST_IMAGES", 5)
    write_images(tmp_path, "2024-01", {f"c{i}": png(i) for i in range(50)})
    shown = pl.Series([f"c{i}" for i in range(50)])
    found = looks_profile(tmp_path, shown, seed=1)
    assert len(set(found["brightness"])) == 5 and found == looks_profile(tmp_path, shown, seed=1)


def test_of_large_images_fewer_are_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(looks, "MOST_PIXELS", 3 * 16 - 1)
    write_images(tmp_path, "2024-01", {f"c{i}": png(i) for i in range(50)})
    found = looks_profile(tmp_path, pl.Series([f"c{i}" for i in range(50)]), seed=1)
    assert len(set(found["brightness"])) == 3

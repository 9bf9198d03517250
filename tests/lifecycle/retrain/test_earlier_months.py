"""What a training reads before the rows that were served: the project's own months, whole, each row once."""

import polars as pl
import pytest

from contracts.dataset.served import CREATIVES, ROWS
from lifecycle.retrain.training.earlier import CLEAN, add_earlier
from lifecycle.retrain.training.order import Order
from lifecycle.retrain.training.place import SERVED, make_place

PNG, JPEG = b"\x89PNG\r\n\x1a\n-", b"\xff\xd8\xff-"


@pytest.fixture
def clean(tmp_path):
    """Four clean months, of which the third has images."""
    for number in range(5, 9):
        folder = tmp_path / "clean" / f"2026-0{number}"
        folder.mkdir(parents=True)
        pl.DataFrame({"user": [number]}).write_parquet(folder / ROWS)
    images = {"creative_id": ["a", "b", "../c", "d"], "image": [PNG, JPEG, PNG, PNG + b"2"]}
    pl.DataFrame(images).write_parquet(tmp_path / "clean/2026-07/creatives.parquet")
    return tmp_path / "clean"


@pytest.fixture
def served(tmp_path):
    """What was served in August, and what of it is labelled so far."""
    folder = tmp_path / "labelled/2026-08"
    folder.mkdir(parents=True)
    pl.DataFrame({"user": [-8]}).write_parquet(folder / ROWS)
    return tmp_path / "labelled"


def users(folder) -> dict[str, int]:
    return {path.parent.name: pl.read_parquet(path)["user"].item() for path in folder.glob(f"*/{ROWS}")}


@pytest.mark.parametrize(
    "months, names", [(0, []), (1, ["2026-07"]), (2, ["2026-06", "2026-07"]), (9, ["2026-05", "2026-06", "2026-07"])]
)
def test_the_last_months_before_the_first_served_one_are_beside_it(months, names, clean, served):
    assert add_earlier(clean, served, months) == names
    assert users(served) == {"2026-08": -8} | {name: int(name[-1]) for name in names}


def test_their_images_are_files_as_those_of_served_rows_are(clean, served):
    add_earlier(clean, served, 1)
    found = {path.name: path.read_bytes() for path in (served / "2026-07" / CREATIVES).iterdir()}
    assert found == {"a.png": PNG, "b.jpg": JPEG, "d.png": PNG + b"2"}


def test_a_project_without_clean_months_trains_on_what_was_served(tmp_path, served):
    assert add_earlier(tmp_path / "clean", served, 2) == [] and users(served) == {"2026-08": -8}


def test_a_training_has_them_and_the_labelled_rows_stay_alone(project, folder, clean, served):
    (folder / CLEAN).parent.mkdir(parents=True, exist_ok=True)
    clean.rename(folder / CLEAN)
    made = folder / "retraining/one"
    make_place(folder, made, Order(overrides=(), longest_s=1.0, nice=0, earlier_months=1), served)
    assert users(made / SERVED) == {"2026-07": 7, "2026-08": -8} and users(served) == {"2026-08": -8}
    assert project.around.config.earlier_months == 2

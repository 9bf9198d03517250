"""The small data set with fewer kinds of columns, or with one more: what models without images, numbers or strings look like, and
one of cells with several values, one of columns that are computed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.stages.computed_world import COMPUTED, computed_rows, is_written
from tests.stages.listed_world import LISTED, as_texts, listed_rows
from tests.stages.pipeline_world import COLUMNS, declaration, rows_of, write_png

NO_FEATURES = ("id", "t", "y")
AS_NUMBER = {"name": "view", "role": "numeric", "dtype": "int", "keep": True}
UNSEEN_ID = {"name": "ad", "role": "creative", "dtype": "string", "feature": False}


def columns_of(*names: str, **instead: dict[str, Any]) -> list[dict[str, Any]]:
    return [instead.get(column["name"], column) for column in COLUMNS if column["name"] in (*NO_FEATURES, *names)]


DECLARATIONS: dict[str, dict[str, Any]] = {
    "computed": COMPUTED,
    "lists": LISTED,
    "hashed": LISTED,
    "images_alone": declaration(columns=columns_of("site", "ad", "age", ad=UNSEEN_ID)),
    "no_images": declaration(columns=columns_of("site", "ad", "age", "view"), images=None),
    "numbers": declaration(columns=columns_of("age", "view", view=AS_NUMBER), images=None),
    "strings": declaration(columns=columns_of("site", "view"), images=None),
}


OVERRIDES = {
    "hashed": ("features.overflow=hash", "features.overflow_buckets=5", "features.max_values=2", "features.min_count=20")
}


def write_declared(data: dict[str, Any]) -> Callable[[Path, int, int], None]:
    """Writes months of the small data set with the declared columns alone."""

    def write(source: Path, month: int, num_rows: int) -> None:
        folder = source / f"2024-{month:02d}"
        (folder / "ads").mkdir(parents=True)
        several = any(column["role"] in ("set", "sequence") for column in data["columns"])
        rows = as_texts(listed_rows(month, num_rows)) if several else rows_of(month, num_rows)
        rows = computed_rows(month, num_rows) if data is COMPUTED else rows
        rows.select(column["name"] for column in data["columns"] if is_written(column)).write_csv(folder / "rows.csv")
        for i in range(5 if data["images"] else 0):
            write_png(folder / "ads" / f"ad{i}.png", (40 * i, 20, 200 - 30 * i))

    return write

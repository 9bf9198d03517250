"""Lists of impressions from raw files to splits and scores: a list is never divided, and a score is an impression's."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.dataset.declaration import Declaration
from contracts.serving.request import request_of
from contracts.tables.clean_rows import CleanRows
from lifecycle.feedback.intake.files import read_file
from lifecycle.feedback.intake.inputs import input_files
from lifecycle.monitor.skew.month_file import write_month as write_skew_month
from serving.predict.input import declared_rows
from stages.files import read_json
from stages.parquet import write_parquet
from stages.score import score_files
from stages.settings import load_section
from stages.split import first_of_list
from tests.stages.pipeline_world import declaration, run, write_params

COLUMNS = [
    {"name": "page", "role": "key", "dtype": "int"},
    {"name": "t", "role": "time", "dtype": "datetime"},
    {"name": "user", "role": "entity", "dtype": "string", "feature": False},
    {"name": "ad", "role": "creative", "dtype": "string"},
    {"name": "place", "role": "info", "dtype": "int"},
    {"name": "y", "role": "label", "dtype": "int"},
]
LISTS = {"column": "shown", "item": "ad", "position": "place"}
PAGES = 120  # a month; a few times are those of several pages


def pages_of(month: int) -> pl.DataFrame:
    """A month's page views; every tenth list begins or ends with an impression that is broken."""
    rng = np.random.default_rng(month)
    cells = []
    for page in range(PAGES):
        shown = [f"a{ad}-{int(rng.random() < 0.3)}" for ad in rng.integers(0, 9, rng.integers(1, 9))]
        if page % 10 == 0:
            shown[0 if page % 20 else -1] = "broken"
        cells.append(" ".join(shown))
    minutes = np.sort(rng.integers(0, 20_000, PAGES))
    start = np.datetime64(f"2024-{month:02d}-01T00:00")
    return pl.DataFrame(
        {
            "page": np.arange(PAGES) + 1000 * month,
            "t": [str(start + np.timedelta64(int(minute), "m")) for minute in minutes],
            "user": [f"u{user}" for user in rng.integers(0, 60, PAGES)],
            "shown": cells,
        }
    )


def write_pages(source: Path) -> None:
    for month in (1, 2, 3):
        path = source / f"2024-{month:02d}/rows.csv"
        path.parent.mkdir(parents=True)
        pages_of(month).write_csv(path)


SPLITS = {
    "time": {"by": "time", "val_frac": 0.17, "test_frac": 0.23},
    "months": {"by": "time", "val_frac": 0.17, "test_months": 1},
    "row": {"by": "row", "val_frac": 0.17, "test_frac": 0.23},
    "random": {"by": "random", "val_frac": 0.17, "test_frac": 0.23},
    "users": {"by": "row", "val_frac": 0.17, "test_frac": 0.23, "exclude_entities": True},
}


@pytest.mark.parametrize("how", SPLITS)
def test_no_list_is_divided(project, how):
    write_pages(project / "source")
    write_params(declaration(images=None, columns=COLUMNS, unfold=LISTS, split=SPLITS[how]))
    run("acquire", "validate", "split")
    written = pl.concat([pages_of(month) for month in (1, 2, 3)])
    impressions = int(written["shown"].str.split(" ").list.len().sum())
    broken = int(written["shown"].str.count_matches("broken", literal=True).sum())
    found, total = read_json(Path("reports/split.json")), read_json(Path("reports/validation.json"))["total"]
    assert (total["raw"], total["quarantined"], total["rules"]) == (impressions, broken, {"list shown": broken})
    parts = {name: pl.read_parquet(f"data/split/{name}.parquet") for name in ("train", "val", "test")}
    pages = [set(part["page"]) for part in parts.values()]
    assert all(pages) and sum(map(len, pages)) == len(set.union(*pages))
    left_out = found["excluded"] + found["out_of_time"]
    assert sum(len(part) for part in parts.values()) == impressions - broken - left_out
    whole = {page: len(cell.split()) - cell.count("broken") for page, cell in written.select("page", "shown").iter_rows()}
    assert all(count == whole[page] for part in parts.values() for page, count in part["page"].value_counts().iter_rows())
    if how not in ("users", "months"):
        assert len(parts["test"]) == pytest.approx(0.23 * (impressions - broken), abs=20)


def test_quarantine_names_the_row_of_the_file(project):
    write_pages(project / "source")
    write_params(declaration(images=None, columns=COLUMNS, unfold=LISTS))
    run("acquire", "validate")
    rows = pl.read_csv("data/quarantine/2024-01.csv")
    assert rows["row"].to_list() == list(range(1, PAGES, 10))
    assert set(rows["value"]) == {"broken"} and set(rows["column"]) == {"shown"}


def test_rows_begin_lists_where_places_do_not_rise(tmp_path):
    """Property: with impressions gone anywhere, rows of one list have one beginning; those of two may."""
    rng = np.random.default_rng(4)
    files, lists, places = [], [], []
    for part in range(3):
        lengths = rng.integers(1, 6, 200)
        number = np.repeat(np.arange(200) + 200 * part, lengths)
        place = np.concatenate([np.arange(length) + 1 for length in lengths])
        kept = rng.random(len(place)) < 0.8
        lists.append(number[kept])
        places.append(place[kept])
        files.append(tmp_path / f"{part}.parquet")
        write_parquet(files[-1], pl.DataFrame({"place": place[kept]}))
    first, number = first_of_list(files, "place"), np.concatenate(lists)
    for one in np.unique(number):
        assert len(np.unique(first[number == one])) == 1
    begins = np.flatnonzero(np.concatenate(places) == 1)
    assert np.array_equal(first[begins], begins)
    assert np.array_equal(first, np.maximum.accumulate(first)) and (first <= np.arange(len(first))).all()
    assert first[np.cumsum([len(part) for part in lists])[:-1]].tolist() == np.cumsum([len(part) for part in lists])[:-1].tolist()


class PlaceScorer:
    """Says each row's place in its list."""

    def score(self, rows: CleanRows, images, creative: str) -> np.ndarray:
        assert creative == "ad" and images is None and "y" not in (*rows.cells.columns, *rows.places.columns)
        return rows.column("place").to_numpy().astype(np.float32)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("key", [True, False])
def test_a_score_is_an_impressions(project, suffix, key):
    columns = COLUMNS if key else COLUMNS[1:]
    write_params(declaration(images=None, columns=columns, unfold=LISTS))
    given = project / "pages.csv"
    lines = ["page,t,user,shown", "8,2024-01-01,u,a1 a2", "9,2024-01-01,u,a3-1 b-1-0 a4-0"]
    given.write_text("\n".join(line if key else line.partition(",")[2] for line in lines))
    out, rejected = project / f"out{suffix}", project / "bad.csv"
    args = (None, load_section("data", Declaration), (), PlaceScorer(), 4, out, suffix, rejected)
    counts = score_files([given], *args)
    assert counts == {"raw": 5, "clean": 4, "quarantined": 1}
    found = pl.read_csv(out) if suffix == ".csv" else pl.read_parquet(out)
    assert found.columns == ["file", "row", *(["page"] if key else []), "place", "p_click", "model_version"]
    assert found.select("row", "place", "p_click").rows() == [(1, 1, 1.0), (1, 2, 2.0), (2, 1, 1.0), (2, 3, 3.0)]
    assert pl.read_csv(rejected).select("row", "column", "rule", "value").rows() == [(2, "shown", "list", "b-1-0")]


@pytest.fixture
def pages(project) -> tuple[Path, Declaration]:
    write_pages(project / "source")
    write_params(declaration(images=None, columns=COLUMNS, unfold=LISTS))
    return project / "source/2024-01/rows.csv", load_section("data", Declaration)


def test_rows_for_a_server_are_impressions_with_their_place(pages):
    path, declared = pages
    rows = declared_rows(path, declared, {}, request_of(declared))
    (chunk,) = rows.chunks
    good, bad = rows.contract.check(chunk)
    assert (rows.key, rows.position) == ("page", "place")
    assert len(chunk) == len(good) + len(bad) and good["place"].max() == 8


def test_labels_by_key_are_refused_for_lists(pages):
    path, declared = pages
    (file,) = input_files(path, declared)
    with pytest.raises(ValueError, match="whose rows hold lists of impressions.*send prediction_id and row with the labels"):
        next(read_file(file, declared, None, 0))


def test_lists_cannot_be_compared_with_answers(pages, tmp_path):
    path, declared = pages
    with pytest.raises(ValueError, match="rows of 'small' hold lists of impressions.*cannot be compared"):
        write_skew_month(path, declared, tmp_path / "month.parquet")
    assert not (tmp_path / "month.parquet").exists()

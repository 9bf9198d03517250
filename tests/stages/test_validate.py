"""Stage validate: months stand alone, counts add up, too many broken rows stop it."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from contracts.tables import raw
from stages import validate
from stages.files import read_json
from tests.stages.pipeline_world import COLUMNS, declaration, run, write_month, write_params


@pytest.fixture
def two_months(project):
    for month in (1, 2):
        write_month(project / "source", month, 60)
    write_params(declaration())
    return project / "source"


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time of writing and bytes of every file below `folder`."""
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()}


def dirty(path: Path, *lines: bytes) -> None:
    path.write_bytes(path.read_bytes() + b"".join(line + b"\n" for line in lines))


def test_validate_puts_every_row_in_exactly_one_place(two_months):
    dirty(
        two_months / "2024-01/rows.csv",
        b"1,2024-01-02 00:00:00,s,u,ad0,-3,0,1",
        b"2,2024-01-02 00:00:00,s,u,ad0,3,0",
        b"3,yesterday,s,u,ad0,3,0,1",
        b"4,2024-01-02 00:00:00,\xff,u,ad0,3,0,1",
        b"100000,2024-01-02 00:00:00,s,u,ad0,3,0,1",
    )
    run("acquire", "validate")
    report = read_json(Path("reports/validation.json"))
    assert report["months"]["2024-01"] | {"clicks": 0} == {
        "raw": 65, "clean": 60, "quarantined": 5, "clicks": 0, "unreadable_images": [], "with_image": 54, "unmatched": {},
        "rules": {"columns": 1, "dtype t": 1, "encoding site": 1, "min age": 1, "unique id": 1},
    }  # fmt: skip
    assert report["total"]["raw"] == 125 == report["total"]["clean"] + report["total"]["quarantined"]
    quarantine = pl.read_csv("data/quarantine/2024-01.csv", infer_schema=False)
    assert quarantine.rows() == [
        ("2024-01/rows.csv", "61", "age", "min", "-3", "1"),
        ("2024-01/rows.csv", "62", "", "columns", "2,2024-01-02 00:00:00,s,u,ad0,3,0", "1"),
        ("2024-01/rows.csv", "63", "t", "dtype", "yesterday", "1"),
        ("2024-01/rows.csv", "64", "site", "encoding", "\\xff", "1"),
        ("2024-01/rows.csv", "65", "id", "unique", "100000", "1"),
    ]
    clean = pl.read_parquet("data/clean/2024-01/impressions.parquet")
    assert len(clean) == 60
    assert clean.columns == [column["name"] for column in COLUMNS]


def test_files_do_not_depend_on_how_many_rows_were_read_at_a_time(two_months, monkeypatch):
    outputs = ("data/clean/2024-01/impressions.parquet", "data/split/train.parquet", "data/split/test.parquet")
    found = []
    for text_rows, batch_rows in ((1 << 17, 1 << 17), (7, 5)):
        monkeypatch.setattr("contracts.tables.text.delimited.TEXT_ROWS", text_rows)
        monkeypatch.setattr("contracts.tables.text.delimited.BLOCK_BYTES", 50 * text_rows)
        monkeypatch.setattr("stages.split.BATCH_ROWS", batch_rows)
        shutil.rmtree("data", ignore_errors=True)
        run("acquire", "validate", "split")
        found.append([Path(name).read_bytes() for name in outputs])
    assert found[0] == found[1]


def test_a_new_month_leaves_the_others_untouched_and_unread(two_months, monkeypatch):
    run("acquire", "validate")
    before = state(Path("data/clean")) | state(Path("data/quarantine"))
    write_month(two_months, 3, 60)
    read = []
    original = raw.read_chunks
    monkeypatch.setattr(
        raw, "read_chunks", lambda path, *args, **more: read.append(path.parts[-2]) or original(path, *args, **more)
    )
    run("acquire", "validate")
    after = state(Path("data/clean")) | state(Path("data/quarantine"))
    assert read == ["2024-03"]
    assert {path: after[path] for path in before} == before
    assert read_json(Path("reports/validation.json"))["total"]["raw"] == 180


MADE = ("clean/2024-01/impressions.parquet", "clean/2024-01/creatives.parquet", "quarantine/2024-01.csv")


@pytest.mark.parametrize("path", [f"data/{name}" for name in MADE])
def test_a_month_whose_output_was_changed_or_removed_is_made_again(two_months, path):
    run("acquire", "validate")
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[:-3])
    run("validate")
    assert Path(path).read_bytes() == whole
    Path(path).unlink()
    run("validate")
    assert Path(path).read_bytes() == whole


def test_a_removed_month_leaves_nothing_behind(two_months):
    run("acquire", "validate")
    for path in sorted((two_months / "2024-02").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    run("acquire", "validate")
    assert [path.name for path in Path("data/clean").iterdir()] == ["2024-01"]
    assert [path.name for path in Path("data/quarantine").iterdir()] == ["2024-01.csv"]


def test_another_declaration_or_code_validates_again_and_another_split_does_not(two_months, monkeypatch):
    run("acquire", "validate")
    before = state(Path("data/clean"))
    write_params(declaration(split={"by": "row", "val_frac": 0.1, "test_frac": 0.1}))
    run("validate")
    assert state(Path("data/clean")) == before
    monkeypatch.setattr(validate, "LIBRARIES", ())
    run("validate")
    assert state(Path("data/clean")) != before  # made again, with another stamp
    stricter = [column | {"max": 70} if column["name"] == "age" else column for column in COLUMNS]
    write_params(declaration(columns=stricter))
    run("validate")
    report = read_json(Path("reports/validation.json"))["months"]["2024-01"]
    assert report["rules"] == {"max age": report["quarantined"]}
    assert report["quarantined"] > 0
    assert report["clean"] + report["quarantined"] == 60


def test_too_many_broken_rows_stop_the_stage_and_name_the_worst_rule(two_months):
    broken = [b"%d,2024-01-02 00:00:00,s,u,ad0,-3,0,1" % i for i in range(40)] + [b"99,never,s,u,ad0,3,0,1"]
    dirty(two_months / "2024-02/rows.csv", *broken)
    write_params(declaration(), ("validate.max_share=0.1",))
    run("acquire")
    words = (
        r"partition 2024-02: 41 of 101 rows \(40.59%\) .* allowed are 10.00% .*"
        r"'min age' with 40 rows, the first has '-3'; see .*02.csv"
    )
    with pytest.raises(ValueError, match=words):
        run("validate")
    assert Path("data/quarantine/2024-02.csv").read_text().count("\n") == 42


def test_a_month_in_another_encoding_says_so(two_months):
    text = (two_months / "2024-01/rows.csv").read_text().replace("site", "Seité").replace(",Seité,", ",site,", 1)
    (two_months / "2024-01/rows.csv").write_bytes(text.encode("latin-1"))
    run("acquire")
    with pytest.raises(ValueError, match="'encoding site' with 60 rows, the first has .*set source.format.encoding"):
        run("validate")


def test_a_partition_without_a_clean_row_is_an_error_whatever_the_allowed_share(two_months):
    (two_months / "2024-01/rows.csv").write_text("id,t,site,user,ad,age,view,y\n1,2024-01-01,s,u,a,3,1,7\n")
    write_params(declaration(), ("validate.max_share=1",))
    run("acquire")
    with pytest.raises(ValueError, match="1 of 1 rows .*'label y'"):
        run("validate")


def test_images_of_earlier_months_serve_later_ones(two_months):
    write_params(declaration(images={"files": "*/ads/*.png", "missing": "quarantine"}))
    run("acquire", "validate")
    report = read_json(Path("reports/validation.json"))["months"]
    for month in ("2024-01", "2024-02"):  # only ad5 never had an image
        assert list(report[month]["rules"]) == ["image ad"]
        assert "ad5" not in pl.read_parquet(f"data/clean/{month}/impressions.parquet")["ad"].to_list()
    assert pl.read_parquet("data/clean/2024-01/creatives.parquet")["creative_id"].to_list() == [f"ad{i}" for i in range(5)]


def test_equal_input_gives_equal_bytes(two_months):
    run("acquire", "validate")
    first = {path: content for path, (_, content) in state(Path("data/clean")).items()}
    for path in Path("data/clean").rglob("*.*"):
        path.unlink()
    run("validate")
    assert {path: content for path, (_, content) in state(Path("data/clean")).items()} == first


def test_a_failure_in_a_month_leaves_no_half_month(two_months, monkeypatch):
    run("acquire")
    monkeypatch.setattr(validate, "write_rows", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        run("validate")
    assert list(Path("data/clean").iterdir()) == []
    assert list(Path("data/quarantine").iterdir()) == []


def test_an_optional_side_table_without_any_match_stops_the_stage(two_months):
    (two_months / "prices.csv").write_text("ad,price\nad-1,2\n")
    price = {"name": "price", "role": "numeric", "dtype": "float", "nullable": True}
    source = declaration()["source"] | {"joins": [{"files": "prices.csv", "key": "ad", "optional": True}]}
    write_params(declaration(source=source, columns=[*COLUMNS, price]))
    run("acquire")
    with pytest.raises(ValueError, match="no row has a match in the side table 'prices.csv': by ad the rows"):
        run("validate")
    with pytest.raises(ValueError, match="no row has a match"):  # nor does it pass because it has been looked at
        run("validate")
    (two_months / "prices.csv").write_text("ad,price\nad1,2\n")
    run("acquire", "validate")
    matched = read_json(Path("reports/validation.json"))["months"]["2024-01"]["matched"]["prices.csv by ad"]
    assert 0 < matched == pl.read_parquet("data/clean/2024-01/impressions.parquet")["price"].is_not_null().sum()

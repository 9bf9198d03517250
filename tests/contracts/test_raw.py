"""Side tables, images and partitions of raw data."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from contracts.dataset.partitions import matching, natural, partitions
from contracts.dataset.source import SourceError
from contracts.tables.chunk import ROW
from contracts.tables.images import MAX_PIXELS, to_pixels
from contracts.tables.raw import main_columns, read_images, read_partition, side_tables
from tests.contracts.declared import FEATURE, LABEL, check_file, declared

ITEM = {"name": "item", "role": "info", "dtype": "int"}
PRICE = {"name": "price", "role": "numeric", "dtype": "float", "nullable": True}
JOIN = {"files": "items.csv", "key": "item"}


def joined(tmp_path: Path, items: str, rows: str, **join):
    """Clean rows and rejected ones of rows joined with items."""
    (tmp_path / "shared").mkdir(exist_ok=True)
    (tmp_path / "shared/items.csv").write_text(items)
    (tmp_path / "rows.csv").write_text(rows)
    declaration = declared(ITEM, PRICE, FEATURE, LABEL, source={"joins": [JOIN | join]})
    table = side_tables(tmp_path / "shared", declaration)[0]
    return check_file(tmp_path / "rows.csv", declaration, (table,))


def test_a_join_adds_the_side_table_and_keeps_the_order_of_rows(tmp_path):
    clean, rejected = joined(tmp_path, "item,price\n2,0.5\n1,1.5\n", "item,c,y\n1,a,0\n2,b,1\n1,c,0\n")
    assert rejected == []
    assert clean.select("item", "price", "c", ROW).rows() == [(1, 1.5, "a", 1), (2, 0.5, "b", 2), (1, 1.5, "c", 3)]


def test_a_row_without_a_match_is_quarantined_unless_the_join_is_optional(tmp_path):
    items, rows = "item,price\n1,1.5\n", "item,c,y\n1,a,0\n7,b,1\n"
    clean, rejected = joined(tmp_path, items, rows)
    assert rejected == [(2, "item", "join", "7", 1)]
    assert clean["c"].to_list() == ["a"]
    clean, rejected = joined(tmp_path, items, rows, optional=True)
    assert rejected == []
    assert clean["price"].to_list() == [1.5, None]


def test_a_side_table_has_its_own_format_and_columns_left_out(tmp_path):
    clean, rejected = joined(
        tmp_path, "item;price;note\n1;1.234,5;x\n", "item,c,y\n1,a,0\n",
        format={"delimiter": ";", "decimal": ",", "thousands": "."}, leave_out=[{"names": ["note"], "why": "words"}],
    )  # fmt: skip
    assert rejected == []
    assert clean["price"].to_list() == [1234.5]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ("item,price\n1,1\n1,2\n", "has item='1' more than once"),
        ("id,price\n1,1\n", "lacks the column 'item' that source.joins names; it has id, price"),
        ("item,price,extra\n1,1,1\n", "side table column 'extra' is not declared"),
        ("item,price\n1,1\n2\n", "row 2 has too many or too few cells: '2'; a side table has to be whole"),
    ],
)
def test_a_side_table_that_cannot_be_joined_gives_one_sentence(tmp_path, items, words):
    with pytest.raises(SourceError, match=words):
        joined(tmp_path, items, "item,c,y\n1,a,0\n")


def test_main_files_hold_all_but_derived_and_joined_columns(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/items.csv").write_text("item,price\n1,2\n")
    time = {"name": "t", "role": "time", "dtype": "datetime"}
    hour = {"name": "hour", "role": "categorical", "dtype": "int", "derive_from": "t", "part": "hour"}
    declaration = declared(ITEM, PRICE, time, hour, LABEL, source={"joins": [JOIN]}, leave_out=[{"name": "late", "why": "leak"}])
    table = side_tables(tmp_path / "shared", declaration)[0]
    assert main_columns(declaration, (table,)) == ("item", "t", "y", "late")


def test_partitions_and_files_are_in_natural_order(tmp_path):
    for name in ("day_10", "day_2", "day_1", "shared", ".new-day_3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part.csv").touch()
    assert [path.name for path in partitions(tmp_path)] == ["day_1", "day_2", "day_10"]
    assert sorted([Path("2024-02"), Path("2023-11")], key=natural)[0].name == "2023-11"
    assert [path.parent.name for path in matching(tmp_path, ("day_*/*.csv",))] == ["day_1", "day_2", "day_10"]


def test_no_partition_is_an_error_that_says_what_to_run(tmp_path):
    with pytest.raises(SourceError, match="run `python -m stages.acquire` first"):
        partitions(tmp_path)


def test_partitions_may_be_ordered_by_the_declaration(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
    assert [path.name for path in partitions(tmp_path)] == ["test", "train"]
    assert [path.name for path in partitions(tmp_path, ("train", "test"))] == ["train", "test"]
    with pytest.raises(SourceError, match=r"partition 'test' is not in source.order \(train\): add it where it belongs"):
        partitions(tmp_path, ("train",))


def png(color, size=(4, 4), mode="RGB", kind="PNG") -> bytes:
    buffer = BytesIO()
    Image.new(mode, size, color).save(buffer, kind)
    return buffer.getvalue()


def test_images_that_cannot_be_read_are_listed_with_the_reason(tmp_path):
    (tmp_path / "a.png").write_bytes(png((255, 0, 0)))
    (tmp_path / "b.png").write_bytes(b"no image")
    (tmp_path / "c.png").write_bytes(png((255, 0, 0), (64, 64))[:-40])
    (tmp_path / "e.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "f.png").write_bytes(b"")
    (tmp_path / "d.png").write_bytes(png(0, (MAX_PIXELS // 1000 + 1, 1000), "1"))
    creative = {"name": "ad", "role": "creative", "dtype": "string"}
    images, bad = read_images(tmp_path, declared(creative, FEATURE, LABEL, images={"files": "*.png"}))
    assert images["creative_id"].to_list() == ["a"]
    assert [name for name, _ in bad] == ["b.png", "c.png", "d.png", "e.png", "f.png"]
    assert {bad[i][1] for i in (0, 3, 4)} == {"no image of a kind that is read (PNG, JPEG, GIF, WEBP, BMP, TIFF), or empty"}
    assert "more than 16000000" in bad[2][1]
    assert not any(str(tmp_path) in reason for _, reason in bad)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png((255, 0, 10)), (255, 0, 10)),
        (png((0, 0, 0, 0), mode="RGBA"), (255, 255, 255)),  # transparent is white
        (png(200, mode="L"), (200, 200, 200)),
        (png((0, 0, 0, 0), mode="CMYK", kind="JPEG"), (255, 255, 255)),
        (png((7, 7, 7), size=(40, 40)), (7, 7, 7)),
        (png((7, 7, 7), size=(2, 9)), (7, 7, 7)),
    ],
)
def test_pixels_are_rgb_of_the_asked_size(content, expected):
    pixels = to_pixels(content, 8)
    assert pixels.shape == (3, 8, 8)
    assert [set(channel.ravel().tolist()) for channel in pixels] == [{value} for value in expected]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("7,0.5,note,1\n", ("item", "price", "note", "y")),
        ("7,0.5,note\n", ("item", "price", "note")),
        ("7,0.5\n", ("item", "price")),
    ],
)
def test_without_a_header_the_number_of_columns_tells_which_are_there(tmp_path, caplog, content, names):
    out = [{"name": "note", "why": "free text"}]
    source = {"format": {"header": False, "names": ["item", "price", "note", "y"]}}
    declaration = declared(ITEM, PRICE, LABEL, source=source, leave_out=out)
    (tmp_path / "rows.csv").write_text(content)
    expected, optional = main_columns(declaration, ()), frozenset({"y", "note"})

    def columns(name):
        chunks = [chunk for _, chunk in read_partition([tmp_path / name], declaration, expected, optional)]
        return [column for chunk in chunks for column in chunk.rows.columns]

    assert columns("rows.csv") == [*(name for name in names if name != "note"), ROW]
    told = f"rows.csv has no header; its {len(names)} columns are taken for {', '.join(names)}"
    assert caplog.text.count(told) == (len(names) < 4)
    (tmp_path / "rows.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(SourceError, match="rows.csv.gz: the suffix says gzip but the content is not"):
        columns("rows.csv.gz")
    (tmp_path / "rows.csv").write_text("7\n")  # no row has as many
    with pytest.raises(SourceError, match="rows.csv has one column when split at ',', expected 4"):
        columns("rows.csv")
    (tmp_path / "rows.csv").write_text("7\n7,0.5,note,1\n")  # rows of another width are for the contract to judge
    assert columns("rows.csv") == ["item", "price", "y", ROW]

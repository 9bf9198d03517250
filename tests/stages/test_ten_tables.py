"""Every table of examples/ten-tables.md is read as its declaration says, to the rows that the page shows."""

import gzip
import re
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import polars as pl
import pytest
import yaml

from contracts.tables.chunk import ROW
from tests.stages.pipeline_world import run, write_params

PAGE = (Path(__file__).parents[2] / "examples/ten-tables.md").read_text(encoding="utf-8")
BLOCK = r"```(?:csv|tsv|text|json)\n(.*?)```"
LATIN = ("movies.dat",)


def sections() -> dict[str, str]:
    """The page's text about each table, by its heading."""
    parts = re.split(r"^## \d+\. (.+)$", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def files_of(text: str) -> dict[str, str]:
    return dict(re.findall(rf"\*\*`(.+?)`\*\*\n\n{BLOCK}", text, re.DOTALL))


def shown(text: str, what: str) -> pl.DataFrame | None:
    found = re.search(rf"\*\*{what}\*\*\n\n{BLOCK}", text, re.DOTALL)
    return None if found is None else pl.read_csv(found[1].encode(), infer_schema=False)


def write(path: Path, content: str) -> None:
    """The file as the page calls it: text, packed text, a file in an archive, or Parquet of the rows shown."""
    archive = next((parent for parent in path.parents if parent.suffix == ".zip"), None)
    (archive or path).parent.mkdir(parents=True, exist_ok=True)
    if archive is not None:
        with ZipFile(archive, "a") as packed:
            packed.writestr(str(path.relative_to(archive)), content)
    elif path.suffix == ".parquet":
        pl.read_csv(content.encode()).write_parquet(path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(content.encode()))
    else:
        path.write_text(content, encoding="latin-1" if path.name in LATIN else "utf-8")


def as_shown(df: pl.DataFrame) -> pl.DataFrame:
    """All cells as the page writes them."""
    times = [pl.col(name).dt.strftime("%Y-%m-%d %H:%M") for name, dtype in df.schema.items() if isinstance(dtype, pl.Datetime)]
    text = df.with_columns(times).write_csv()
    return pl.read_csv(BytesIO(text.encode()), infer_schema=False)


def test_there_are_ten_and_each_is_in_the_table_of_contents():
    numbers = re.findall(r"^## (\d+)\. ", PAGE, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 11)] == re.findall(r"^\| \[(\d+)\]\(#", PAGE, re.MULTILINE)


@pytest.mark.parametrize("title", sections())
def test_a_table_becomes_the_rows_that_the_page_shows(project, title):
    text = sections()[title]
    for name, content in files_of(text).items():
        write(Path(name), content)
    write_params(yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1]))
    run("acquire", "validate")
    clean = [pl.read_parquet(path) for path in sorted(Path("data/clean").glob("*/impressions.parquet"), key=in_order)]
    found = as_shown(pl.concat(clean).drop(ROW, strict=False))
    expected = shown(text, "becomes")
    assert found.columns == expected.columns
    assert found.rows() == expected.rows()
    bad = [pl.read_csv(path, infer_schema=False) for path in sorted(Path("data/quarantine").glob("*.csv"))]
    quarantined = pl.concat(bad) if bad else pl.DataFrame()
    in_page = shown(text, "in quarantine")
    if in_page is None:
        assert len(quarantined) == 0
    else:
        assert quarantined.select(in_page.columns).rows() == in_page.rows()


def in_order(path: Path) -> tuple[int, str]:
    """Partitions as they follow one another: day_2 before day_10."""
    return len(path.parent.name), path.parent.name

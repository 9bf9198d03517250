"""Zip archives of text files: read member by member, bounded, and refused where nobody could read them."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from contracts.dataset.source import SourceError
from contracts.serving.request import request_of
from contracts.tables.contract import contract_of
from contracts.tables.raw import main_columns, read_partition, side_tables
from contracts.tables.text import archive
from serving.predict.input import declared_rows, published_rows
from tests.contracts.declared import FEATURE, LABEL, declared

NUMBER = {"name": "n", "role": "numeric", "dtype": "float", "nullable": True}


def packed(path: Path, files: dict[str, str | bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


def read(path: Path, *columns, root: Path | None = None, **more):
    """(file, c) of clean rows, and (file, row, column, rule) of rejected ones."""
    declaration = declared(*(columns or (FEATURE, LABEL)), **more)
    contract, good, bad = contract_of(declaration, (), None), [], []
    for file, chunk in read_partition([path], declaration, main_columns(declaration, ()), frozenset(), root or path.parent):
        clean, rejected = contract.check(chunk)
        name = file.relative_to(path.parent).as_posix()
        good += [(name, value) for value in clean["c"]]
        bad += [(name, *row[:3]) for row in rejected.rows()]
    return good, bad


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_file_in_it_is_read_and_named(tmp_path, kind):
    files = {
        "day_10.csv": "c,y\nj,0\n",
        "day_2.csv": "y,c\n1,b\n7,x\n",
        "sub/a.csv": "c,y\ns,1\n",
        "__MACOSX/._a": "x",
        ".hidden": "",
    }
    good, bad = read(packed(tmp_path / "rows.zip", files, kind))
    assert good == [("rows.zip/day_2.csv", "b"), ("rows.zip/day_10.csv", "j"), ("rows.zip/sub/a.csv", "s")]
    assert bad == [("rows.zip/day_2.csv", 2, "y", "label")]


def test_members_says_which_are_rows(tmp_path):
    path = packed(tmp_path / "ROWS.ZIP", {"rows.csv": "c,y\na,0\n", "readme.txt": "hello", "x.parquet": b"PAR1"})
    assert read(path, source={"format": {"members": "*.csv"}}) == ([("ROWS.ZIP/rows.csv", "a")], [])
    with pytest.raises(SourceError, match=r"holds no file that matches \*.tsv \(format.members\)"):
        read(path, source={"format": {"members": "*.tsv"}})
    with pytest.raises(SourceError, match=r"holds 'x.parquet', and only text files are read in an archive"):
        read(path)


def test_folders_compression_and_json_lines_mean_the_same_in_it(tmp_path):
    site = {"name": "site", "role": "categorical", "dtype": "int", "folder": "site"}
    files = {"site=3/a.csv.gz": gzip.compress(b"c,y\na,0\n"), "site=4/b.jsonl": '{"c": "b", "y": 1}\nno\n'}
    declaration = declared(site, FEATURE, LABEL)
    path = packed(tmp_path / "rows.zip", files)
    chunks = read_partition([path], declaration, main_columns(declaration, ()), frozenset(), tmp_path)
    found = [contract_of(declaration, (), None).check(chunk) for _, chunk in chunks]
    assert [clean.select("site", "c").rows() for clean, _ in found] == [[(3, "a")], [(4, "b")]]
    assert [bad["row"].to_list() for _, bad in found] == [[], [2]]


def encrypted(path: Path) -> Path:
    content = bytearray(packed(path, {"rows.csv": "c,y\na,0\n"}).read_bytes())
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + place] |= 1
    path.write_bytes(content)
    return path


def test_an_encrypted_archive_is_refused(tmp_path):
    with pytest.raises(SourceError, match="rows.zip: 'rows.csv' is encrypted; unpack it with its password"):
        read(encrypted(tmp_path / "rows.zip"))


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = packed(tmp_path / "rows.zip", {"rows.csv": "c,y\n" + "a,0\n" * 500_000})
    assert len(read(path)[0]) == 500_000
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 20)
    with pytest.raises(SourceError, match="rows.zip would unpack to 0.0 GiB, more than 200 times its size"):
        read(path)
    monkeypatch.setattr(archive, "MOST_MEMBERS", 1)
    with pytest.raises(SourceError, match="holds 2 files, at most 1 are read"):
        read(packed(tmp_path / "many.zip", {"a.csv": "c,y\na,0\n", "b.csv": "c,y\na,0\n"}))


def test_no_more_comes_out_than_the_archive_says(tmp_path):
    path = packed(tmp_path / "rows.zip", {"rows.csv": "c,y\n" + "a,0\n" * 1000})
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = (16).to_bytes(4, "little")  # the size that the directory says
    path.write_bytes(content)
    with pytest.raises(SourceError, match="cannot be unpacked to its end"):
        read(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda whole: b"no archive", "is no whole zip archive"),
        (lambda whole: whole[: len(whole) // 2], "is no whole zip archive"),
        (lambda whole: whole.replace(b"a,0\nb,1", b"a,0\nb,0"), r"cannot be unpacked to its end \(zip: Bad CRC-32"),
    ],
)
def test_a_broken_archive_is_refused(tmp_path, content, words):
    path = packed(tmp_path / "rows.zip", {"rows.csv": "c,y\na,0\nb,1\n"}, zipfile.ZIP_STORED)
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(SourceError, match=words):
        read(path)


@pytest.mark.parametrize("name", ["/etc/rows.csv", "../rows.csv", "a/../rows.csv", "a\\rows.csv", "a//rows.csv"])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(SourceError, match="which is no plain path"):
        read(packed(tmp_path / "rows.zip", {name: "c,y\na,0\n"}))


def test_what_is_wrong_with_a_file_in_it_is_said_by_its_name(tmp_path):
    for content, words in (("c,x\na,1\n", "lacks the declared column 'y'"), ("", "is empty"), ("PK\x03\x04", "is a zip archive")):
        with pytest.raises(SourceError, match=f"rows.zip/rows.csv.* {words}"):
            read(packed(tmp_path / "rows.zip", {"rows.csv": content}))
    with pytest.raises(SourceError, match="rows.zip holds no file"):
        read(packed(tmp_path / "rows.zip", {}))
    twice = io.BytesIO((tmp_path / "rows.zip").read_bytes())
    with zipfile.ZipFile(twice, "a") as made, pytest.warns(UserWarning, match="Duplicate"):
        made.writestr("a.csv", "c,y\na,0\n")
        made.writestr("a.csv", "c,y\na,0\n")
    (tmp_path / "rows.zip").write_bytes(twice.getvalue())
    with pytest.raises(SourceError, match="holds two files of one name"):
        read(tmp_path / "rows.zip")


def test_a_side_table_may_be_packed(tmp_path):
    packed(tmp_path / "items.zip", {"items_1.csv": "c,n\na,1\n", "items_2.csv": "c,n\nb,2\n"})
    declaration = declared(FEATURE, NUMBER, LABEL, source={"joins": [{"files": "items.zip", "key": "c"}]})
    (table,) = side_tables(tmp_path, declaration)
    assert table.table["n"].to_list() == ["1", "2"]


def test_to_score_with_the_served_model_it_holds_one_file(tmp_path):
    declaration = declared(FEATURE, LABEL)
    one = packed(tmp_path / "one.zip", {"a.csv": "c,y\na,0\nb,1\n"})
    two = packed(tmp_path / "two.zip", {"a.csv": "c,y\na,0\n", "b.csv": "c,y\na,0\n"})
    request = request_of(declaration)
    for rows in (published_rows(one, request), declared_rows(one, declaration, {}, request)):
        assert [rows.contract.check(chunk)[0]["c"].to_list() for chunk in rows.chunks] == [["a", "b"]]
    with pytest.raises(SourceError, match="two.zip holds 2 files, one is expected"):
        published_rows(two, request)

"""One user goes from the raw files that DVC tracks here; others are named, and so is whatever still knows the user."""

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
from pathlib import Path

import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper

from contracts.dataset.declaration import Declaration
from contracts.dataset.source import Format
from contracts.params import read_section
from lifecycle.erase import dvc, reach, source
from lifecycle.erase.done import erase as erase_found
from lifecycle.erase.found import find
from lifecycle.erase.wanted import Wanted
from tests.lifecycle.erase.erase_world import OTHER, USER, contents, erase, make_project
from tests.serving.small_store import canary, small_store

CSV = f't,Site of,age,y\r\n1,{OTHER},3,0\r\n2,{USER},4,1\r\n3,"{USER}",5,0\r\n4,"a\r\nb, {USER}",6,1\r\n'
KEPT = f't,Site of,age,y\r\n1,{OTHER},3,0\r\n4,"a\r\nb, {USER}",6,1\r\n'
WANTED = Wanted(column="site", value=USER, is_whole=False, in_caller_keys=False, key=b"Jefe")


def raw_file(path: Path, pointer: Path | None = None, **fmt) -> source.RawFile:
    names = ("site", "Site of")
    return source.RawFile(path=path, fmt=Format(**fmt), names=names, columns=("t", "site", "y"), pointer=pointer)


@pytest.mark.parametrize(
    ("suffix", "packed", "unpacked"),
    [
        (".csv", bytes, bytes),
        (".csv.gz", gzip.compress, gzip.decompress),
        (".csv.bz2", bz2.compress, bz2.decompress),
        (".csv.xz", lzma.compress, lzma.decompress),
    ],
)
def test_other_lines_stay_byte_for_byte(tmp_path, suffix, packed, unpacked):
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(packed(CSV.encode()))
    path.chmod(0o640)
    assert source.count(raw_file(path), WANTED) == 2
    source.erase(raw_file(path), WANTED)
    assert unpacked(path.read_bytes()) == KEPT.encode() and path.stat().st_mode & 0o777 == 0o640
    assert source.count(raw_file(path), WANTED) == 0 and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize(
    ("content", "kept", "fmt"),
    [
        (f"\ufeffsite;y\n{USER};1\nb;0\n", "\ufeffsite;y\nb;0\n", {"delimiter": ";"}),
        (f"1,{USER},0\n2,b,0\n", "2,b,0\n", {"header": False}),
        (f"made today\n\nt,site,y\n1,{USER},0\n2,b,0", "made today\n\nt,site,y\n2,b,0", {"skip_lines": "to_header"}),
        (f"# {USER}\nt,site\n1,{USER}\n", f"# {USER}\nt,site\n", {"skip_lines": 1}),
        (f"t, site\n1, {USER} \n2,b\n", "t, site\n2,b\n", {"strip": True}),
        (f't|site\n1|"{USER}\n2|{USER}\n', f't|site\n1|"{USER}\n', {"delimiter": "|", "quote": None}),
        (f't::site\n1::"{USER}"\n2::b:c\n3::x', "t::site\n2::b:c\n3::x", {"delimiter": "::"}),
        ("t,other\n1,x\n", "t,other\n1,x\n", {}),
        (f"t,site\n1,{USER}\n\u00fc,b\n", "t,site\n\u00fc,b\n", {"encoding": "utf-16"}),
    ],
)
def test_files_are_read_as_they_are_declared(tmp_path, content, kept, fmt):
    path, encoding = tmp_path / "rows.csv", fmt.get("encoding", "utf-8")
    path.write_bytes(content.encode(encoding))
    rows = source.count(raw_file(path, **fmt), WANTED)
    assert rows == (content != kept)
    source.erase(raw_file(path, **fmt), WANTED)
    assert path.read_bytes() == kept.encode(encoding)


def test_json_lines_keep_the_other_lines(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    kept = ['{"t": 1, "Site of": "x"}\n', f'{{"t": "{USER}"}}\n', f"no json {USER}\n", "\n", '{"site": ["x"]}']
    theirs = [f'{{"t": 2, "Site of": {json.dumps(USER)}}}\n', f'{{"site": {json.dumps(USER)}, "y": [1]}}\r\n']
    path.write_bytes(gzip.compress("".join([*kept[:2], *theirs, *kept[2:]]).encode()))
    assert source.count(raw_file(path), WANTED) == 2
    source.erase(raw_file(path), WANTED)
    assert gzip.decompress(path.read_bytes()).decode() == "".join(kept)


def test_parquet_keeps_its_columns_and_other_rows(tmp_path):
    path = tmp_path / "rows.parquet"
    table = pl.DataFrame({"Site of": [USER, OTHER, None], "n": [1, 2, 3]})
    table.write_parquet(path)
    assert source.count(raw_file(path), WANTED) == 1
    source.erase(raw_file(path), WANTED)
    assert pl.read_parquet(path).equals(table[1:])


def test_a_whole_number_is_found_however_it_is_spelt(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("site,y\n7,1\n07,1\n7.0,0\n70,1\nx,0\n")
    wanted = Wanted(column="site", value="7", is_whole=True, in_caller_keys=False, key=None)
    assert source.count(raw_file(path), wanted) == 3
    source.erase(raw_file(path), wanted)
    assert path.read_text() == "site,y\n70,1\nx,0\n"


@pytest.fixture
def project(tmp_path):
    """Two months, of which DVC tracks one, in a Git repository."""
    folder = make_project(tmp_path / "project")
    for month in ("2024-01", "2024-02"):
        path = folder / "data/sources" / month / "rows.csv"
        path.parent.mkdir(parents=True)
        path.write_text(CSV, newline="")
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "add", "-q", "data/sources/2024-01"]):
        program = [sys.executable, "-m", *command] if command[0] == "dvc" else command
        subprocess.run(program, cwd=folder, check=True, capture_output=True)
    return folder


def test_what_dvc_tracks_is_rewritten_as_a_new_version_and_others_are_named(project):
    pointer = project / "data/sources/2024-01.dvc"
    before = pointer.read_text()
    done = erase(project)
    assert done.returncode == 0, done.stderr
    assert "0 images, 2 rows in 1 raw files of data/" in done.stdout
    assert (project / "data/sources/2024-01/rows.csv").read_bytes() == KEPT.encode()
    assert (project / "data/sources/2024-02/rows.csv").read_bytes() == CSV.encode()
    assert "data/sources/2024-02/rows.csv holds 2 rows and no .dvc file here tracks it: remove them there" in done.stdout
    assert pointer.read_text() != before
    status = subprocess.run([sys.executable, "-m", "dvc", "status"], cwd=project, capture_output=True, text=True, check=True)
    assert "up to date" in status.stdout
    assert CSV.encode() in contents(project / ".dvc/cache") and "`dvc gc --workspace`" in done.stdout


def test_what_is_a_link_into_the_cache_is_replaced_and_the_cache_left_whole(project):
    for command in (["config", "cache.type", "symlink"], ["checkout", "--relink"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=project, check=True, capture_output=True)
    path = project / "data/sources/2024-01/rows.csv"
    assert path.is_symlink()
    cached = path.resolve()
    assert "2 rows in 1 raw files" in erase(project).stdout
    assert path.read_bytes() == KEPT.encode() and cached.read_bytes() == CSV.encode()


def test_killed_before_dvc_knows_it_is_told_when_it_runs_again(project, monkeypatch):
    monkeypatch.chdir(project)
    (project / "journal/segments").mkdir(parents=True)

    def run() -> None:
        found = find(Path("journal"), read_section("data", Declaration), WANTED, project, print)
        erase_found(Path("journal"), found, WANTED, "a hash", "", project)

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    before = (project / "data/sources/2024-01.dvc").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(dvc, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert (project / "data/sources/2024-01/rows.csv").read_bytes() == KEPT.encode()
    assert (project / "data/sources/2024-01.dvc").read_text() == before
    run()
    assert (project / "data/sources/2024-01.dvc").read_text() != before
    events = [json.loads(line) for line in Path("journal/erased.jsonl").read_text().splitlines()]
    assert [line["event"] for line in events] == ["begun", "begun", "done"]
    assert [line.get("pointers") for line in events[:2]] == [["data/sources/2024-01.dvc"]] * 2


def vocabulary(path: Path, *words: str) -> None:
    """A graph that looks these words up."""
    node = helper.make_node(
        "LabelEncoder", ["x"], ["y"], domain="ai.onnx.ml", keys_strings=[*words], values_int64s=[*range(len(words))]
    )
    tensors = [helper.make_tensor_value_info(*what, ["n"]) for what in (("x", TensorProto.STRING), ("y", TensorProto.INT64))]
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(helper.make_graph([node], "words", tensors[:1], tensors[1:])), path)


def test_what_still_knows_the_user_is_named(project):
    vocabulary(project / "models/ctr/1/ctr_packed.onnx", "a", f"\x1fa{USER}")
    vocabulary(project / "models/ctr/2/ctr_packed.onnx", "a", OTHER, f"{USER} and more")
    vocabulary(project / "models/ctr/3/ctr_packed.onnx", *(f"user {n}" for n in range(200)))
    vocabulary(project / "champion/model/ctr.onnx", OTHER)
    (project / "models/triton.log").write_text(f"refused: {USER}\n")
    (project / "data/clean").mkdir()
    pl.DataFrame({"site": [USER]}).write_parquet(project / "data/clean/2024-01.parquet")
    said = erase(project, "--dry-run").stdout
    assert "release 1 of" in said and "release 3 of" in said and "release 2 of" not in said
    assert "data/clean hold the user, made by the pipeline: `make repro`" in said and "champion/ holds" not in said
    assert "models/triton.log hold the user: remove them" in said


def test_a_long_value_is_found_in_a_vocabulary_too(tmp_path):
    word = "user " + "x" * 300
    vocabulary(tmp_path / "ctr/1/ctr_packed.onnx", "a", word)
    found = [reach.knowing(tmp_path, Wanted(column="site", value=v, is_whole=False, in_caller_keys=False, key=None))
             for v in (word, word[:-1])]  # fmt: skip
    assert found == [[1], []]


def test_a_data_set_without_an_entity_is_refused(project):
    text = (project / "params.yaml").read_text().replace("role: entity", "role: categorical")
    (project / "params.yaml").write_text(text)
    done = erase(project)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "give one `role: entity` in conf/data/" in done.stderr


def test_an_archive_is_named_and_not_touched(project):
    path = project / "data/sources/2024-02/rows.zip"
    path.write_bytes(io.BytesIO(b"PK\x03\x04").getvalue())
    done = erase(project, "--dry-run")
    assert f"not looked into: {path.relative_to(project)}" in done.stdout.replace(f"{project}/", "")
    assert "is an archive; unpack it" in done.stdout


def test_an_erasure_during_a_rollout_leaves_both_arms_and_what_can_be_gone_back_to(project):
    store = small_store(project, releases=3)
    store.replace_route(None, canary(1, 2))
    champion = project / "champion/model/export"
    champion.mkdir(parents=True)
    (champion / "features.json").write_text(USER)
    before = contents(store.folder), contents(project / "champion")
    done = erase(project, "--wait", "0")
    assert done.returncode == 0, done.stderr
    assert (contents(store.folder), contents(project / "champion")) == before and store.arms() == [1, 2]
    assert store.versions() == [1, 2, 3]

"""Stage follow: what linked folders of the source lead to makes `dvc repro` acquire again, as everything else does."""

import os
from pathlib import Path

import pytest

from contracts.dataset.source import Source
from stages import follow
from stages.files import read_json, sha256_file
from tests.project.project_copy import copy_project, run
from tests.stages.pipeline_world import declaration, write_month, write_params, write_png

ITEMS = {"files": "tables/items.csv", "key": "site", "optional": True}


@pytest.fixture
def linked(project):
    """Month 1 in the source, month 2 and a side table behind linked folders of it; and a folder that no glob means."""
    write_month(project / "source", 1, 20)
    may = write_month(project / "else", 2, 20)
    write_png(may / "ads/new.png", (1, 2, 3))
    for name in ("tables/items.csv", "notes/readme.txt"):
        (project / "else" / name).parent.mkdir()
        (project / "else" / name).write_text("site,price\nsite 1,2\n")
    for name in ("2024-02", "tables", "notes"):
        (project / "source" / name).symlink_to(project / "else" / name)
    write_params(declaration(source={"kind": "files", "path": "source", "files": ["*/rows.csv"], "joins": [ITEMS]}))
    return project


def test_every_file_behind_a_linked_folder_that_acquire_takes_is_in_the_digests(linked, capsys):
    follow.main()
    names = ["2024-02/ads/new.png", "2024-02/rows.csv", "tables/items.csv"]
    assert read_json(Path("data/linked.json")) == {name: sha256_file(linked / "else" / name) for name in names}
    assert capsys.readouterr().out == "follow: 3 files behind linked folders of the source, 2024-02, tables\n"


def test_what_did_not_change_is_not_read_again(linked, monkeypatch):
    follow.main()
    before = read_json(Path("data/linked.json"))
    read: list[str] = []
    monkeypatch.setattr(follow, "sha256_file", lambda path: read.append(path.name) or sha256_file(path))
    follow.main()
    assert read == []
    with (linked / "else/tables/items.csv").open("a") as stream:
        stream.write("site 2,3\n")
    write_png(linked / "else/2024-02/ads/newer.png", (3, 2, 1))
    follow.main()
    assert read == ["newer.png", "items.csv"]
    after = read_json(Path("data/linked.json"))
    assert {name for name in after if before.get(name) != after[name]} == {"2024-02/ads/newer.png", "tables/items.csv"}


def test_a_link_that_leads_elsewhere_is_seen_though_size_and_time_are_the_same(linked):
    follow.main()
    before = read_json(Path("data/linked.json"))
    other = linked / "other/items.csv"
    other.parent.mkdir()
    other.write_text("site,price\nsite 1,3\n")
    old = (linked / "else/tables/items.csv").stat()
    os.utime(other, ns=(old.st_atime_ns, old.st_mtime_ns))
    (linked / "source/tables").unlink()
    (linked / "source/tables").symlink_to(other.parent)
    follow.main()
    assert old.st_size == other.stat().st_size
    assert read_json(Path("data/linked.json"))["tables/items.csv"] == sha256_file(other) != before["tables/items.csv"]


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "exchange"},
        {"kind": "files", "path": "s3://bucket/folder"},
        {"kind": "files", "path": "plain"},
        {"kind": "files", "path": "plain/rows.csv"},
    ],
)
def test_a_source_without_linked_folders_has_no_digests(project, source):
    (project / "plain").mkdir()
    (project / "plain/rows.csv").write_text("c,y\n")
    assert follow.linked_files(Source(files=("rows.csv",), **source), None) == []


def test_a_folder_may_be_named_as_a_uri(project):
    (project / "a b/in").mkdir(parents=True)
    (project / "a b/in/rows.csv").write_text("c,y\n")
    (project / "a b/link").symlink_to("in")
    source = Source(kind="files", path=f"file://{project}/a%20b", files=("link/rows.csv",))
    assert [file.name for file in follow.linked_files(source, None)] == ["link/rows.csv"]


def test_dvc_acquires_again_what_changes_behind_a_linked_folder(tmp_path):
    data = declaration(source={"kind": "files", "path": "source", "files": ["*/rows.csv"]}, images=None)
    folder = copy_project(tmp_path / "copy", data)
    write_month(folder / "source", 1, 20)
    february = write_month(tmp_path / "else", 2, 20)
    (folder / "source/2024-02").symlink_to(february)
    raw = folder / "data/raw/2024-02/2024-02/rows.csv"

    def said() -> str:
        return next(line for line in run(folder, "dvc", "repro", "acquire").splitlines() if "acquire" in line and ">" not in line)

    run(folder, "dvc", "repro", "acquire")
    assert raw.read_bytes() == (february / "rows.csv").read_bytes()
    assert said() == "Stage 'acquire' didn't change, skipping"
    (february / "rows.csv").write_bytes(raw.read_bytes() + b"9,2024-02-28 00:00:00,s,u,ad0,30,0,1\n")
    (folder / "source/2024-03").symlink_to(write_month(tmp_path / "else", 3, 20))
    assert said() == "Running stage 'acquire':"
    assert raw.read_bytes() == (february / "rows.csv").read_bytes()
    assert (folder / "data/raw/2024-03/2024-03/rows.csv").is_file()

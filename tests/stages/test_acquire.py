"""Stage acquire: which file goes to which partition, and what is left alone."""

import os
import re
from pathlib import Path

import pytest

from contracts.dataset.config_errors import ConfigError
from contracts.dataset.partitions import partition_of
from stages.acquire import copy_file, copy_files
from stages.listing import place_files
from tests.contracts.declared import FEATURE, LABEL, declared
from tests.stages.pipeline_world import declaration, run, write_month, write_params

CREATIVE = {"name": "ad", "role": "creative", "dtype": "string"}
ITEM = {"name": "item", "role": "info", "dtype": "string"}


def placed(names, columns=(FEATURE, LABEL), **more):
    return place_files(declared(*columns, **more), names)


def test_files_go_to_the_month_in_their_name():
    names = ["2024-01/a.csv", "2024-01/b.csv", "x-2024-02-15.csv", "note.txt", "deep/er/2024-03.csv"]
    assert placed(names, source={"files": ["*/*.csv", "*.csv"]}) == {
        "2024-01": ["2024-01/a.csv", "2024-01/b.csv"],
        "2024-02": ["x-2024-02-15.csv"],
    }


def test_two_stars_cross_folders_also_none():
    names = ["a.csv", "b/a.csv", "b/c/a.csv"]
    assert placed(names, source={"files": ["**/*.csv"]}) == {"all": names}


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        (r"(\d{4}-\d{2})", "no date.csv", "all"),
        (r"day_\d+", "day_3.gz", "day_3"),
        (r"year=(\d+)/month=(\d+)", "year=2024/month=07/part-0.parquet", "2024-07"),
        (r"(\d+)/(\w+)?", "12/", "12"),
    ],
)
def test_partition_is_what_the_expression_finds(pattern, name, expected):
    assert partition_of(name, re.compile(pattern)) == expected


def test_side_tables_are_shared_and_no_impressions():
    source = {"files": ["*.csv"], "joins": [{"files": "items.csv", "key": "item"}]}
    assert placed(["items.csv", "2024-01.csv"], (ITEM, FEATURE, LABEL), source=source) == {
        "shared": ["items.csv"],
        "2024-01": ["2024-01.csv"],
    }


def test_images_without_a_month_of_their_own_go_to_the_first_month():
    names = ["2024-02.csv", "2024-01.csv", "ads/a.png", "ads/2024-02-b.png", "ads/2023-12-c.png"]
    found = placed(names, (CREATIVE, FEATURE, LABEL), images={"files": "ads/*.png"})
    assert found == {
        "2024-02": ["2024-02.csv", "ads/2024-02-b.png"],
        "2024-01": ["2024-01.csv", "ads/a.png", "ads/2023-12-c.png"],
    }


def test_a_glob_that_matches_nothing_is_an_error():
    with pytest.raises(ConfigError, match=r"no file below '.' matches \*.csv or \*.tsv; correct it"):
        placed(["a.parquet"], source={"files": ["*.csv", "*.tsv"]})


def test_a_source_that_is_not_there_is_an_error(tmp_path):
    made = declared(FEATURE, LABEL, source={"path": str(tmp_path / "nowhere")})
    with pytest.raises(ConfigError, match="nowhere' cannot be listed"):
        copy_files(made, tmp_path / "raw", tmp_path / "copied.json")


def test_one_file_may_be_the_source(tmp_path):
    (tmp_path / "a table.csv").write_text("c,y\n")
    made = declared(FEATURE, LABEL, source={"path": str(tmp_path / "a table.csv"), "files": ["a table.csv"]})
    assert copy_files(made, tmp_path / "raw", tmp_path / "copied.json") == ({"all"}, 1)
    assert (tmp_path / "raw/all/a table.csv").read_text() == "c,y\n"


def test_unchanged_partitions_are_left_alone_and_changed_ones_replaced(project, capsys):
    for month in (1, 2):
        write_month(project / "source", month, 10)
    write_params(declaration())
    run("acquire")
    before = {path: path.stat().st_mtime_ns for path in Path("data/raw").rglob("*.csv")}
    (project / "source/2024-02/rows.csv").write_text("changed\n")
    run("acquire")
    assert capsys.readouterr().out.splitlines()[-1] == "acquire: 2 partitions of small, 1 new or changed"
    assert Path("data/raw/2024-02/2024-02/rows.csv").read_text() == "changed\n"
    first = Path("data/raw/2024-01/2024-01/rows.csv")
    assert first.stat().st_mtime_ns == before[first]
    assert not list(Path("data/raw").glob(".new-*"))


def test_only_what_is_new_at_the_source_is_copied(project, monkeypatch):
    for month in (1, 2):
        write_month(project / "source", month, 10)
    write_params(declaration())
    copied: list[str] = []
    monkeypatch.setattr("stages.acquire.copy_file", lambda fs, name, to: (copied.append(to.name), copy_file(fs, name, to)))
    run("acquire")
    assert copied.count("rows.csv") == 2
    for change, again in (
        (lambda: None, 0),
        (lambda: os.utime(project / "source/2024-02/rows.csv", ns=(1, 1)), 1),
        (lambda: Path("data/raw/2024-01/2024-01/rows.csv").write_text("broken here\n"), 1),
        (lambda: Path(".checkpoints/acquire.json").unlink(), 2),
    ):
        copied.clear()
        change()
        run("acquire")
        assert copied.count("rows.csv") == again
    assert Path("data/raw/2024-01/2024-01/rows.csv").read_bytes() == (project / "source/2024-01/rows.csv").read_bytes()


def test_a_copy_that_breaks_off_goes_on_with_the_month_it_was_in(project, monkeypatch):
    for month in (1, 2):
        write_month(project / "source", month, 10)
    write_params(declaration())
    copied: list[str] = []

    def breaking(filesystem, name, to):
        if "2024-02" in name and not copied.count("broken"):
            copied.append("broken")
            raise OSError("the line went dead")
        copied.append(Path(name).parts[-2])
        copy_file(filesystem, name, to)

    monkeypatch.setattr("stages.acquire.copy_file", breaking)
    with pytest.raises(OSError, match="the line went dead"):
        run("acquire")
    copied[:] = ["broken"]
    run("acquire")
    assert "2024-02" in copied and "2024-01" not in copied


def test_hidden_files_are_no_data(project):
    write_month(project / "source", 1, 10)
    (project / "source/2024-01/.ipynb_checkpoints").mkdir()
    (project / "source/2024-01/.ipynb_checkpoints/rows.csv").write_text("a copy\n")
    write_params(declaration(source={"kind": "files", "path": "source", "files": ["**/rows.csv"]}))
    run("acquire")
    assert [str(path) for path in Path("data/raw").rglob("rows.csv")] == ["data/raw/2024-01/2024-01/rows.csv"]


def test_what_lies_behind_linked_folders_is_copied_rows_side_tables_and_images(project):
    write_month(project / "else", 1, 10)
    (project / "else/items").mkdir()
    (project / "else/items/items.csv").write_text("site,price\nsite 1,2\n")
    (project / "source").mkdir()
    (project / "source/2024-01").symlink_to(project / "else/2024-01")
    (project / "source/items").symlink_to(project / "else/items")
    join = {"files": "items/*.csv", "key": "site"}
    write_params(declaration(source={"kind": "files", "path": "source", "files": ["*/rows.csv"], "joins": [join]}))
    run("acquire")
    copied = {str(path.relative_to("data/raw")) for path in Path("data/raw").rglob("*") if path.is_file()}
    images = {f"2024-01/2024-01/ads/ad{i}.png" for i in range(5)}
    assert copied == {"2024-01/2024-01/rows.csv", "shared/items/items.csv", *images}
    assert not any(path.is_symlink() for path in Path("data/raw").rglob("*"))


def test_a_link_that_leads_to_another_folder_is_copied_again_though_sizes_and_times_are_the_same(project):
    for name, cell in (("one", "a"), ("two", "b")):
        (project / name).mkdir()
        (project / name / "rows.csv").write_text(f"c,y\n{cell},0\n")
        os.utime(project / name / "rows.csv", ns=(1, 1))
    (project / "source").mkdir()
    made = declared(FEATURE, LABEL, source={"path": str(project / "source"), "files": ["*/rows.csv"]})
    for name, cell in (("one", "a"), ("two", "b")):
        (project / "source/link").unlink(missing_ok=True)
        (project / "source/link").symlink_to(project / name)
        assert copy_files(made, project / "raw", project / "copied.json") == ({"all"}, 1)
        assert (project / "raw/all/link/rows.csv").read_text() == f"c,y\n{cell},0\n"


def test_rows_that_a_linked_folder_would_bring_twice_are_an_error(project):
    write_month(project / "source", 1, 10)
    (project / "source/latest").symlink_to("2024-01")
    data = declaration(source={"kind": "files", "path": "source", "files": ["*/rows.csv"]})
    write_params(data)
    with pytest.raises(ConfigError, match="^2024-01/rows.csv and latest/rows.csv are the same file, by a linked folder, so its"):
        run("acquire")
    data["source"]["files"] = ["2*/rows.csv"]
    write_params(data)
    run("acquire")
    assert [path.name for path in Path("data/raw").iterdir()] == ["2024-01"]


def test_a_link_that_leads_nowhere_stops_the_stage_before_a_month_is_lost(project):
    write_month(project / "source", 1, 10)
    write_month(project / "else", 2, 10)
    (project / "source/2024-02").symlink_to(project / "else/2024-02")
    write_params(declaration())
    run("acquire")
    (project / "else").rename(project / "unmounted")
    with pytest.raises(ConfigError, match="cannot be listed: .*/2024-02 is a link to .*, which does not exist; bring that back"):
        run("acquire")
    assert Path("data/raw/2024-02/2024-02/rows.csv").is_file()


def test_simulated_months_are_made_once(project, capsys):
    small = (
        "impressions_per_month=400",
        "creatives_per_month=20",
        "num_users=50",
        "num_sites=30",
        "num_advertisers=20",
    )
    overrides = (*(f"exchange.{knob}" for knob in small), "exchange.months=[2026-05]")
    params = write_params({}, overrides)
    simulated = params["data"] = {
        "name": "simulated",
        "source": {"kind": "exchange", "files": ["impressions.csv"]},
        "split": {"by": "random", "val_frac": 0.1, "test_frac": 0.1},
        "columns": [FEATURE, LABEL],
    }
    write_params(simulated, overrides)
    run("acquire")
    content = Path("data/raw/2026-05/impressions.csv").read_bytes()
    assert content.count(b"\n") >= 401
    run("acquire")
    assert capsys.readouterr().out.splitlines()[-1] == "acquire: 1 partitions of simulated, 0 new or changed"
    truth = Path("data/truth/2026-05.parquet").read_bytes()
    Path("data/truth/2026-05.parquet").write_bytes(truth[:-1])
    run("acquire")
    assert capsys.readouterr().out.splitlines()[-1] == "acquire: 1 partitions of simulated, 1 new or changed"
    assert Path("data/truth/2026-05.parquet").read_bytes() == truth
    write_params(simulated, (*overrides, "exchange.seed=0"))
    run("acquire")
    assert capsys.readouterr().out.splitlines()[-1] == "acquire: 1 partitions of simulated, 1 new or changed"
    assert Path("data/raw/2026-05/impressions.csv").read_bytes() != content

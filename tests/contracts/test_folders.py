"""Which files a folder holds: links are followed, and a glob means the same to all who read."""

import os

import pytest

from contracts.dataset.folders import files_below, fits
from contracts.dataset.partitions import matching
from contracts.dataset.source import SourceError


def put(path, content=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("*.csv", ["a.csv"]),
        ("*/*.csv", ["x/a.csv"]),
        ("**/a.csv", ["a.csv", "x/a.csv", "x/y/a.csv"]),
        ("x/**/*.csv", ["x/a.csv", "x/y/a.csv"]),
        ("x/**", ["x/a.csv", "x/y/a.csv"]),
        ("**/*", ["a.csv", "x/a.csv", "x/y/a.csv"]),
        ("[!b].csv", ["a.csv"]),
        ("?/?/?.*", ["x/y/a.csv"]),
        ("A.csv", []),
        ("x/**/y*.csv", []),
        ("", []),
    ],
)
def test_a_star_stays_in_a_folder_and_two_cross_folders(tmp_path, pattern, matched):
    names = ["a.csv", "x/a.csv", "x/y/a.csv"]
    for name in names:
        put(tmp_path / name)
    assert [name for name in names if fits(name, pattern)] == matched
    assert [path.relative_to(tmp_path).as_posix() for path in matching(tmp_path, (pattern,))] == matched


def test_links_to_files_and_folders_are_followed_and_the_first_on_the_way_is_named(tmp_path):
    put(tmp_path / "else/may/rows.csv")
    put(tmp_path / "far/deep.csv")
    (tmp_path / "else/may/more").symlink_to(tmp_path / "far")
    source = tmp_path / "source"
    put(source / "2024-04/rows.csv")
    (source / "2024-05").symlink_to(tmp_path / "else/may")
    (source / "one.csv").symlink_to(tmp_path / "far/deep.csv")
    assert [(file.name, file.link) for file in files_below(source)] == [
        ("2024-04/rows.csv", None),
        ("2024-05/more/deep.csv", "2024-05"),
        ("2024-05/rows.csv", "2024-05"),
        ("one.csv", None),
    ]
    assert [path.parent.name for path in matching(source, ("**/rows.csv",))] == ["2024-04", "2024-05"]


def test_what_is_hidden_is_passed_over_with_all_that_it_leads_to(tmp_path):
    put(tmp_path / ".ipynb_checkpoints/rows.csv")
    put(tmp_path / "._rows.csv")
    (tmp_path / ".gone").symlink_to("nowhere")
    (tmp_path / ".round").symlink_to(".")
    assert files_below(tmp_path) == files_below(tmp_path / "no folder") == []


@pytest.mark.parametrize("to", ["..", ".", "../../", "../b"])
def test_a_link_that_goes_in_a_circle_is_an_error(tmp_path, to):
    for name in ("a", "b"):
        put(tmp_path / f"top/{name}/rows.csv")
        (tmp_path / f"top/{name}/round").symlink_to(to if name == "a" else "../a")
    with pytest.raises(SourceError, match=r"leads back to a folder that it lies in \(a link goes in a circle\); remove the link"):
        files_below(tmp_path / "top")


def test_a_link_that_leads_nowhere_is_an_error(tmp_path):
    (tmp_path / "2024-05").symlink_to("/mnt/not there")
    with pytest.raises(SourceError, match="2024-05 is a link to /mnt/not there, which does not exist; bring that back"):
        files_below(tmp_path)


def test_a_name_that_is_not_utf_8_is_an_error(tmp_path):
    with open(os.fsencode(tmp_path) + b"/r\xe9sum\xe9.csv", "w"):
        pass
    with pytest.raises(SourceError, match=r"holds 'r\\xe9sum\\xe9.csv', a name that is not UTF-8; give it another"):
        files_below(tmp_path)

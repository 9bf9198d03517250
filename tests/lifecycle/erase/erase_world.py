"""A small project of which one user is to be erased: a journal, its Parquet files and images, raw files."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from lifecycle.journal.served import only_one, serve_segment, waiting
from tests.lifecycle.journal.journal_world import START_NS, World
from tests.lifecycle.journal.second_reader import read
from tests.stages.pipeline_world import CONF, declaration

ROOT = Path(__file__).parents[3]
USER, OTHER = "user 7", "user 77"  # one is the beginning of the other
IMAGE, SHARED = b"only on a row of the user", b"on rows of both"
COMMAND = [sys.executable, "-m", "lifecycle.erase"]
COLUMNS = [
    {"name": "t", "role": "time", "dtype": "datetime"},
    {"name": "site", "role": "entity", "dtype": "string"},
    {"name": "age", "role": "numeric", "dtype": "float", "nullable": True},
    {"name": "y", "role": "label", "dtype": "int"},
]


def digest(image: bytes) -> bytes:
    return hashlib.sha256(image).digest()


def make_project(folder: Path, **journal: Any) -> Path:
    """`params.yaml` of a data set whose entity is called `site`, as the journal of `journal_world` has it."""
    data = declaration(name="small", columns=COLUMNS, images=None, source=source())
    serving = yaml.safe_load((CONF.parent / "conf/serving/default.yaml").read_text())
    serving["journal"] |= {"segment_s": 1} | journal
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump({"data": data, "serving": serving}))
    return folder


def source(**changed: Any) -> dict[str, Any]:
    return {"kind": "files", "path": "data/sources", "files": ["*/rows.*"], "rename": {"Site of": "site"}} | changed


def make_journal(folder: Path, about: dict[str, Any] | None = None, hidden: Any = str) -> World:
    """Rows of the user alone in a request, among others, with images and keys; segments of which some have none of them.

    `hidden` is how a site is written.
    """
    world = World(folder, about)
    user, other = hidden(USER), hidden(OTHER)
    world.answer(1, 1, 3, key="k\u00fc", event_ns=START_NS, sites=[user, other, user, other, user], images={0: digest(SHARED)})
    world.answer(4, sites=[other] * 4, images={0: digest(SHARED)})
    world.answer(1, sites=[user], images={0: digest(IMAGE)})
    world.refuse("max")
    world.writer.close()
    world = World(folder, about)
    world.now_ns += 10**9  # its segment is the later one
    world.answer(2, key="k", sites=[other, other])
    world.writer.close()
    for image in (IMAGE, SHARED):
        path = folder / "images" / digest(image).hex()[:2] / digest(image).hex()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
    return world


def serve_all(journal: Path) -> None:
    with only_one(journal):
        for path in waiting(journal):
            serve_segment(journal, path)


def served(journal: Path) -> pl.DataFrame:
    files = sorted((journal / "served").rglob("*.parquet"))
    return pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in files])


def rows(journal: Path) -> list[dict[str, Any]]:
    """Of all segments, by the reader that was written from the page; erased ones are not there."""
    return [row for path in sorted((journal / "segments").glob("*.segment")) for row in read(path)["rows"]]


def erase(project: Path, *arguments: str, entity: str = USER) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments, "--", entity]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(project)}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=120)


def contents(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())

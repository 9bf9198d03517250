"""Stage follow: reads the files that linked folders of the source lead to, and writes their digests to `data/linked.json`.

DVC leaves a folder that is linked inside a dependency out of its hash, without a word. Stage acquire depends on this file
instead. The stage always runs, since nobody but itself can tell whether something is new; it reads again only what is.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

from pathlib import Path
from typing import Any

from contracts.dataset.folders import Found, files_below, fits
from contracts.dataset.served import images_read, source_read
from contracts.dataset.source import Images, Source
from stages.entry import run_stage
from stages.files import file_state, read_json, sha256_file, write_json
from stages.settings import check_section, load_params

LINKED = Path("data/linked.json")
SEEN = Path(".checkpoints/linked.json")  # digests by the files' state; of this machine, so not among the outputs


def main() -> None:
    data = load_params()["data"]
    source = check_section("data.source", data["source"], Source)
    images = images_read(source, check_section("data.images", data.get("images"), Images | None))
    found = linked_files(source_read(source), images and images.files)
    write_json(LINKED, digests(found, SEEN))
    folders = sorted({file.link for file in found})
    print(f"follow: {len(found)} files behind linked folders of the source{''.join(f', {name}' for name in folders)}")


def linked_files(source: Source, images: str | None) -> list[Found]:
    """The files that stage acquire takes and that a linked folder leads to. Raises SourceError as `files_below` does."""
    if source.local is None:
        return []
    globs = source.globs if images is None else (*source.globs, images)
    return [file for file in files_below(source.local) if file.link is not None and any(fits(file.name, g) for g in globs)]


def digests(found: list[Found], seen: Path) -> dict[str, str]:
    """Sha-256 of each file by its name; what `seen` knows, by the file's state, is not read again."""
    before: dict[str, Any] = read_json(seen) if seen.is_file() else {}
    now = {}
    for file in found:
        state = file_state(file.path)
        known = before.get(file.name, {})
        same = known.get("state") == state
        now[file.name] = {"state": state, "sha256": known["sha256"] if same else sha256_file(file.path)}
    write_json(seen, now)
    return {name: entry["sha256"] for name, entry in now.items()}


if __name__ == "__main__":
    run_stage(main)

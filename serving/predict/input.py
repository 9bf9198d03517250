"""What `serving.predict` reads: a file's rows with the contract they have to pass, and a folder's images.

Without a declaration the file is read as the served model publishes its columns: a header, commas (tabs in .tsv), UTF-8,
a decimal point; further columns are ignored, and those of `source.rename` may be called as in raw files. With the data set's
declaration it is read as in training.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain
from pathlib import Path

import polars as pl
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from contracts.dataset.config_errors import describe
from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import SHARED, matching
from contracts.dataset.source import Format, SourceError
from contracts.serving.request import RequestSpec
from contracts.tables.chunk import ROW, Chunk
from contracts.tables.contract import Contract, contract_of
from contracts.tables.images import check_image
from contracts.tables.raw import main_columns, read_partition, scored_joins, trained_side_tables
from contracts.tables.reading import read_chunks
from contracts.tables.text.archive import with_members
from serving.client.rows import as_given, contract_for, needed_columns, needed_lists

RAW_DIR = Path("data/raw")  # holds the side tables that a declaration's joins name
SERVED_FORMATS = ("PNG", "JPEG")
IMAGE_FILES = ("**/*.png", "**/*.jpg", "**/*.jpeg")


@dataclass(frozen=True, kw_only=True)
class RowsToScore:
    """A file in chunks of bounded size, and the contract that takes each of them apart."""

    chunks: Iterator[Chunk]
    contract: Contract
    file: str  # its name
    key: str | None = None  # column that names a row
    position: str | None = None  # column that says where in its list of impressions a row stands


def published_rows(path: Path, request: RequestSpec) -> RowsToScore:
    """The file read as the served model publishes its columns. Raises ValueError if it lacks some."""
    file = _alone(path, None)
    fmt = Format(delimiter="\t" if ".tsv" in file.suffixes else ",")
    chunks = read_chunks(file, fmt, (), frozenset(), any_header=True, rename=request.rename)
    first = next(chunks)
    try:
        found = [name for name in first.rows.columns if name != ROW]
        columns, lists = needed_columns(request, found), needed_lists(request, found)
    except ValueError as error:
        raise SourceError(f"{path}: {error}") from None
    kinds = {**first.rows.schema, **first.distinct.schema}
    columns = tuple(as_given(column, kinds.get(column.name, pl.String())) for column in columns)
    whole = {column.name for column in lists}
    names = [column.name for column in columns if column.derive_from is None and column.slot_of not in whole]
    return RowsToScore(chunks=_with_only([*names, *whole], first, chunks), contract=contract_for(columns, lists), file=path.name)


def declared_rows(path: Path, declaration: Declaration, side_table_digests: dict[str, str], request: RequestSpec) -> RowsToScore:
    """The file read as `stages.score` reads it.

    Raises ValueError if the declaration is not the served model's, or the side tables are not those of its training.
    """
    if declaration.digest != request.digest:
        raise ValueError(
            f"the declaration of '{declaration.name}' ({declaration.digest[:12]}) is not the one of the served model "
            f"({request.digest[:12]}); give --declaration the declaration.json that was exported with the model"
        )
    declaration = declaration.given
    tables = trained_side_tables(RAW_DIR / SHARED, declaration, side_table_digests)
    partition = read_partition(
        [_alone(path, declaration.source.format.members)],
        declaration,
        main_columns(declaration, tables),
        declaration.optional_to_score,
    )
    return RowsToScore(
        chunks=(chunk for _, chunk in partition),
        contract=contract_of(replace(declaration, images=None), tables, None, labelled=False),
        file=path.name,
        key=declaration.key and declaration.key.name,
        position=declaration.unfold and declaration.unfold.position,
    )


def read_side_table_digests(declared: Path, declaration: Declaration) -> dict[str, str]:
    """Sha-256 of the training's side tables, of the manifest beside the declaration; nothing if rows need none."""
    manifest = declared.with_name("manifest.json")
    if not scored_joins(declaration):
        return {}
    try:
        return dict(json.loads(manifest.read_text(encoding="utf-8"))["side_tables"])
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{manifest} does not say which side tables the model was trained with ({error}); "
            "leave declaration.json where the export put it, beside its manifest"
        ) from None


def read_declaration(path: Path) -> Declaration:
    """The data set's declaration. Raises ValueError with one sentence."""
    try:
        return TypeAdapter(Declaration).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ValueError(describe(error, str(path), Declaration)) from None
    except ValueError as error:
        raise ValueError(f"{path} is no JSON file ({error}); give the declaration.json of the export") from None


def _alone(path: Path, members: str | None) -> Path:
    """The file, or the only one in an archive: rows are told by their numbers alone. Raises SourceError if there are several."""
    found = with_members([path], members)
    if len(found) > 1:
        raise SourceError(f"{path} holds {len(found)} files, one is expected; unpack it and give one at a time")
    return found[0]


def _with_only(names: list[str], first: Chunk, rest: Iterator[Chunk]) -> Iterator[Chunk]:
    """The chunks without the columns that nobody needs, whose cells then cannot be wrong either."""
    for chunk in chain([first], rest):
        yield chunk.without({*chunk.rows.columns} - {*names, ROW}).decoded()


class ImageFolder(Mapping[str, bytes]):
    """Images by creative id, the file's name without suffix; read when asked for. `unusable`: file -> what is wrong."""

    def __init__(self, folder: Path, max_bytes: int, max_pixels: int) -> None:
        self._paths = {path.stem: path for path in matching(folder, IMAGE_FILES)}
        if not self._paths:
            raise ValueError(f"{folder} holds no .png, .jpg or .jpeg file; correct --images")
        self._max_bytes, self._max_pixels = max_bytes, max_pixels
        self._checked: set[str] = set()
        self.unusable: dict[str, str] = {}

    def __getitem__(self, creative: str) -> bytes:
        path = self._paths[creative]
        if path.name in self.unusable:
            raise KeyError(creative)
        content = path.read_bytes()
        if creative not in self._checked:
            self._checked.add(creative)
            try:
                check_image(content)
                self._check_served(content)
            except (Image.DecompressionBombError, ValueError, OSError, SyntaxError) as error:
                self.unusable[path.name] = " ".join(str(error).split())
                raise KeyError(creative) from None
        return content

    def _check_served(self, content: bytes) -> None:
        """Raise ValueError for an image that the server would refuse, with the row that shows it."""
        if len(content) > self._max_bytes:
            raise ValueError(f"{len(content)} bytes, the server takes at most {self._max_bytes}")
        with Image.open(BytesIO(content)) as header:
            kind, (width, height) = header.format, header.size
        if kind not in SERVED_FORMATS:
            raise ValueError(f"a {kind} image, the server takes {' and '.join(SERVED_FORMATS)}")
        if width * height > self._max_pixels:
            raise ValueError(f"{width} x {height} pixels, the server takes at most {self._max_pixels} in all")

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

"""How the rows of any declaration lie in `source.served` once they were served, shown and labelled: month by month, in Parquet.

`<month>/impressions.parquet` has the declared columns as the journal keeps them, and the label as 0 and 1;
`<month>/creatives/<creative>.png` (or .jpg) are the images that came with them. So a data set can be trained on what was
served by `data.source.kind=served`, without a second declaration.
"""

import re
from dataclasses import replace
from pathlib import Path

from contracts.dataset.columns import Column
from contracts.dataset.declaration import Declaration
from contracts.dataset.origin import in_declared_unit
from contracts.dataset.source import MONTH, Images, Source

ROWS, CREATIVES = "impressions.parquet", "creatives"  # a month's file, and its folder of images
NONE_YET = (
    "{folder} holds no rows that were served and labelled (expected {folder}/<YYYY-MM>/{rows}); serve with a journal, then "
    "`make feedback INPUT=... LABELLED=1` writes them (data.source.kind is served; feedback.labelled says where)"
)


def as_read(declaration: Declaration) -> Declaration:
    """The declaration by which raw files are read: of served rows another than of the source's own, elsewhere the same."""
    if declaration.source.kind != "served":
        return declaration
    return replace(
        declaration,
        source=source_read(declaration.source),
        columns=tuple(_kept(column, declaration) for column in declaration.columns),
        lists=(),
        leave_out=(),
        unfold=None,
        images=images_read(declaration.source, declaration.images),
    )


def source_read(source: Source) -> Source:
    """Of a declaration's source, what raw files are read by."""
    return Source(kind="served", served=source.served, files=(f"*/{ROWS}",)) if source.kind == "served" else source


def images_read(source: Source, images: Images | None) -> Images | None:
    """Where the images lie below the source's folder."""
    return replace(images, files=f"*/{CREATIVES}/*") if images is not None and source.kind == "served" else images


def none_yet(folder: Path) -> str:
    """What to say where nothing was served and labelled so far."""
    return NONE_YET.format(folder=folder, rows=ROWS)


def _kept(column: Column, declaration: Declaration) -> Column:
    """A column as the journal keeps it: typed, derived ones too; empty where no request says it, as a column of role info."""
    if column.role in ("label", "clicks"):
        return Column(name=column.name, role=column.role, dtype="int", description=column.description)
    if column.role == "key" and declaration.unfold is not None:  # it names a list, of which each impression is a row here
        column = replace(column, role="info", unique=False)
    since = column.since if column.since is not None and re.fullmatch(MONTH, column.since) else None  # rows lie by months
    nullable = column.nullable or since != column.since
    requested = column.is_feature or column.role == "time" or (column.role == "creative" and declaration.images is not None)
    as_sent = replace(
        in_declared_unit(column), format=None, derive_from=None, part=None, minus=None, unit=None, so_far=None, folder=None
    )
    return replace(as_sent, since=since, nullable=nullable or not requested)

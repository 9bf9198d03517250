"""`creatives.parquet` of a clean partition: creatives and their images, in row groups small enough to be read one by one."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from contracts.tables.parquet import ParquetRows, streamed

SCHEMA = pa.schema([("creative_id", pa.large_string()), ("image", pa.large_binary())])
GROUP_IMAGES, GROUP_BYTES = 2048, 32 << 20  # a row group ends with the image that reaches either


def write_images(path: Path, images: Iterable[tuple[str, bytes]]) -> list[str]:
    """Write creatives with their images as they come; return the creatives. A row group of them is in memory."""
    creatives: list[str] = []
    with ParquetRows(path, SCHEMA) as writer:
        for group in _groups(images):
            writer.write_group(pa.Table.from_arrays([list(column) for column in zip(*group, strict=True)], schema=SCHEMA))
            creatives += [creative for creative, _ in group]
    return creatives


def _groups(images: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    group: list[tuple[str, bytes]] = []
    num_bytes = 0
    for creative, content in images:
        group.append((creative, content))
        num_bytes += len(content)
        if len(group) >= GROUP_IMAGES or num_bytes >= GROUP_BYTES:
            yield group
            group, num_bytes = [], 0
    if group:
        yield group


def creatives_in(path: Path) -> Iterator[list[str]]:
    """The creatives of such a file, in its order, without their images, in pieces."""
    with streamed(path) as file:
        for batch in file.iter_batches(batch_size=GROUP_IMAGES, columns=["creative_id"]):
            yield batch.column(0).to_pylist()


def images_in(path: Path, size: int) -> Iterator[list[tuple[str, bytes]]]:
    """Creatives and images of such a file, in its order, `size` at a time; a row group is in memory."""
    with streamed(path) as file:
        for batch in file.iter_batches(batch_size=size, columns=["creative_id", "image"]):
            yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))

"""What the journal says of the image that came with a row, as columns.

Shape letters: N kept rows, L rows whose image the model looked at.
"""

import numpy as np
import pyarrow as pa

from lifecycle.journal.answers import Answers
from serving.triton.journal.layout import IMAGE_FORMATS

SHA256, EMBEDDING, FORMAT = "image_sha256", "image_embedding", "image_format"
MEASURED = {  # column: its name in a record, and its type
    "image_width": ("width", pa.uint32()),  # pixels
    "image_height": ("height", pa.uint32()),
    "image_brightness": ("brightness", pa.float32()),  # 0 to 1
    "image_contrast": ("contrast", pa.float32()),
    "image_colourfulness": ("colourfulness", pa.float32()),
    "image_bytes": ("bytes", pa.uint32()),  # as it came
}
IMAGE_COLUMNS = {SHA256: pa.string()} | {name: kind for name, (_, kind) in MEASURED.items()}
# Parquet has no lists of a fixed size; those of a release are equally long
IMAGE_COLUMNS |= {FORMAT: pa.string(), EMBEDDING: pa.list_(pa.float32())}


def image_columns(answers: Answers, kept: np.ndarray) -> dict[str, pa.Array]:
    """The columns of IMAGE_COLUMNS for the rows with these numbers, null where there is nothing to say."""
    columns = {name: pa.nulls(len(kept), kind) for name, kind in IMAGE_COLUMNS.items()}
    if answers.images:
        digests = {row: digest.hex() for row, digest in answers.images}
        columns[SHA256] = pa.array([digests.get(row) for row in kept.tolist()], pa.string())
    if len(answers.looks_L):
        columns |= _measured(answers.looks_L, answers.num_rows, kept)
    if len(answers.embeddings_L):
        columns[EMBEDDING] = _embeddings(answers.embeddings_L, answers.num_rows, kept)
    return columns


def _measured(looks_L: np.ndarray, num_rows: int, kept: np.ndarray) -> dict[str, pa.Array]:
    place_N, is_there_N = _places(looks_L, num_rows, kept)
    found = {name: pa.array(looks_L[field][place_N], kind, mask=~is_there_N) for name, (field, kind) in MEASURED.items()}
    names = {number: name for name, number in IMAGE_FORMATS.items()}
    formats = [names.get(number) for number in range(int(looks_L["format"].max()) + 1)]
    return found | {FORMAT: pa.array(formats, pa.string()).take(pa.array(looks_L["format"][place_N], mask=~is_there_N))}


def _embeddings(embeddings_L: np.ndarray, num_rows: int, kept: np.ndarray) -> pa.Array:
    place_N, is_there_N = _places(embeddings_L, num_rows, kept)
    values = np.ascontiguousarray(embeddings_L["emb"][place_N[is_there_N]])
    offsets = np.concatenate([[0], np.cumsum(is_there_N * values.shape[1])]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()), mask=pa.array(~is_there_N))


def _places(entries_L: np.ndarray, num_rows: int, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the entry of each kept row is, 0 for rows without one, and which rows have one."""
    places = np.full(num_rows, -1)
    places[entries_L["row"]] = np.arange(len(entries_L))
    place_N = places[kept]
    return np.maximum(place_N, 0), place_N >= 0

"""Many texts that stand one after the other, as a column."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def texts_of(text: bytes, lengths: np.ndarray) -> pa.Array:
    """Strings that stand one after the other."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    offsets[1:] = np.cumsum(lengths)
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError:  # Triton takes any bytes as a request's id
            places = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
            return pa.array([text[start:end].decode("utf-8", "replace") for start, end in places], pa.string())
    return pa.Array.from_buffers(pa.string(), len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(text)])


def keys_of(text: bytes, lengths: np.ndarray) -> pa.Array:
    """Strings whose lengths are written with one more, and 0 where there is none, which is null."""
    if not lengths.any():
        return pa.nulls(len(lengths), pa.string())
    written = lengths.astype(np.int64)
    return pc.if_else(pa.array(written > 0), texts_of(text, np.maximum(written, 1) - 1), pa.scalar(None, pa.string()))

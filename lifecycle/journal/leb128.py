"""Whole numbers as a segment has them, out of many bytes at once; serving/triton/journal/record.py writes them."""

import numpy as np


def leb128(encoded: bytes) -> np.ndarray:
    """The numbers, of an unsigned type that holds them: seven bits a byte, the lowest first; a byte whose highest bit is set is
    not a number's last.
    """
    raw = np.frombuffer(encoded, dtype=np.uint8)
    goes_on = raw >= 0x80
    if not goes_on.any():
        return raw
    if not (goes_on[1:] & goes_on[:-1]).any():
        return _short_numbers(raw, goes_on)
    ends = np.flatnonzero(~goes_on)
    sizes = np.diff(ends, prepend=-1)
    longest = int(sizes.max(initial=1))
    values = raw[ends].astype(np.uint32 if longest <= 4 else np.uint64)  # right where a number is one byte
    longer = np.flatnonzero(sizes > 1)
    starts, left = ends[longer] - sizes[longer] + 1, sizes[longer]
    found = (raw[starts] & 0x7F).astype(values.dtype)
    for place in range(1, longest):
        more = np.flatnonzero(left > place)
        found[more] |= (raw[starts[more] + place] & 0x7F).astype(values.dtype) << values.dtype.type(7 * place)
    values[longer] = found
    return values


def _short_numbers(raw: np.ndarray, goes_on: np.ndarray) -> np.ndarray:
    """Numbers of one or two bytes, uint16."""
    before = np.zeros(len(raw), dtype=np.uint16)  # what the first byte of two gives to the second
    np.multiply(raw[:-1] & 0x7F, goes_on[:-1], out=before[1:], casting="unsafe")
    values = raw.astype(np.uint16)
    values[1:] <<= 7 * goes_on[:-1].astype(np.uint16)
    values |= before
    return values[~goes_on]

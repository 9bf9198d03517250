"""The strings of all rows of a batch as one text for the graph, made from the requests' bytes without touching each string.

Triton hands a BYTES tensor over as one buffer, every string behind its length: 4 bytes, little-endian. Shorter than 256
bytes and without a NUL inside, strings are where the zeros of those lengths are not, so all of them are found at once, and
what was found is checked from the first byte to the last. Whatever is unusual is cut string by string.

Shape letters: N rows, C categorical columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct

import numpy as np

from contracts.serving.packed_text import PREFIX, prefixes, text_of

LENGTH = Struct("<I")
FEW = 64  # strings; so many are cut one by one as fast as all at once


class Unusual(ValueError):
    """Strings that have to be looked at one by one."""


@dataclass(frozen=True, kw_only=True)
class JoinedText:
    """The strings of N rows, and where each of them stands."""

    encoded: bytes  # UTF-8
    starts_NC: np.ndarray  # int64, within `encoded`
    lengths_NC: np.ndarray  # int64, bytes

    def string(self, row: int, column: int) -> str:
        start = int(self.starts_NC[row, column])
        return self.encoded[start : start + int(self.lengths_NC[row, column])].decode()

    def strings(self) -> list[list[str]]:
        """All strings, row by row."""
        num_rows, num_columns = self.starts_NC.shape
        return [[self.string(row, column) for column in range(num_columns)] for row in range(num_rows)]


class TextJoiner:
    """Joins buffers of strings of C columns a row."""

    def __init__(self, num_columns: int, separator: str, codes: Sequence[int] | None = None) -> None:
        self._num_columns, self._separator, self._codes = num_columns, separator, codes
        marks_C4 = prefixes(num_columns, separator, codes)
        self._marks = [mark.tobytes() for mark in marks_C4]
        self._mark_C = marks_C4.view("<u4").ravel()  # each as one number, to be written at one go

    def join(self, buffers: list[np.ndarray], num_rows: int) -> JoinedText:
        """The text of buffers uint8 that hold `num_rows` rows together. Raises Unusual."""
        if num_rows * self._num_columns <= FEW:
            found = self._one_by_one(b"".join(buffer.tobytes() for buffer in buffers), num_rows)
            separators = found.encoded.count(self._separator.encode())
        else:
            raw = np.concatenate(buffers).view(np.ndarray)
            found = self._at_once(raw, num_rows)
            separators = np.count_nonzero(raw == ord(self._separator))
        if separators != 2 * found.lengths_NC.size:
            raise Unusual("a string holds a separator")
        return found

    def spelled(self, rows: list[list[str]]) -> JoinedText:
        """The text of any strings, the long way."""
        text = text_of(rows, self._separator, self._codes)
        parts = [value.replace(self._separator, "\ufffd").encode() for row in rows for value in row]
        lengths = np.array([len(part) for part in parts], dtype=np.int64)
        starts = np.cumsum(lengths + PREFIX) - lengths
        shape = (len(rows), self._num_columns)
        return JoinedText(encoded=text.encode(), starts_NC=starts.reshape(shape), lengths_NC=lengths.reshape(shape))

    def _one_by_one(self, raw: bytes, num_rows: int) -> JoinedText:
        pieces, starts, lengths, at = [], [], [], 0
        for mark in self._marks * num_rows:
            if at + PREFIX > len(raw):
                raise Unusual("a length is cut short")
            (length,) = LENGTH.unpack_from(raw, at)
            start = at + PREFIX
            at = start + length
            pieces += (mark, raw[start:at])
            starts.append(start)
            lengths.append(length)
        if at != len(raw):
            raise Unusual("the lengths do not add up")
        encoded, shape = b"".join(pieces), (num_rows, self._num_columns)
        return JoinedText(
            encoded=_checked(encoded),
            starts_NC=np.array(starts, dtype=np.int64).reshape(shape),
            lengths_NC=np.array(lengths, dtype=np.int64).reshape(shape),
        )

    def _at_once(self, raw: np.ndarray, num_rows: int) -> JoinedText:
        """`raw` uint8 becomes the text."""
        number = num_rows * self._num_columns
        found = _places(raw, number)
        if len(found) != number:
            raise Unusual("not every length is a byte and three zeros")
        lengths = raw[found].astype(np.int64)
        starts = found + PREFIX
        ends = starts + lengths
        if found[0] != 0 or ends[-1] != len(raw) or not np.array_equal(ends[:-1], found[1:]):
            raise Unusual("the lengths do not add up")
        places_NC = found.reshape(num_rows, self._num_columns)
        words = np.ndarray(len(raw) - PREFIX + 1, "<u4", buffer=raw, strides=(1,))  # four bytes from every byte on
        words[places_NC] = self._mark_C
        encoded = raw.tobytes()
        return JoinedText(
            encoded=_checked(encoded),
            starts_NC=starts.reshape(places_NC.shape),
            lengths_NC=lengths.reshape(places_NC.shape),
        )


def cut(raw: bytes) -> list[bytes]:
    """Strings behind their lengths, one by one. Raises ValueError if the lengths do not add up."""
    found, at = [], 0
    while at < len(raw):
        if at + PREFIX > len(raw):
            raise ValueError("a length is cut short")
        (length,) = LENGTH.unpack_from(raw, at)
        start = at + PREFIX
        at = start + length
        found.append(raw[start:at])
    if at != len(raw):
        raise ValueError("the last string is cut short")
    return found


def _places(raw: np.ndarray, number: int) -> np.ndarray:
    """Where `number` lengths may stand, int64: a run of three zeros ends one, a run of 4k zeros is k empty strings.

    Fewer or more, or wrong ones, where neither holds.
    """
    zero = raw == 0
    threes = np.flatnonzero(zero[:-2] & zero[1:-1] & zero[2:])
    if len(threes) == number:
        return threes - 1  # no string is empty
    edges = np.flatnonzero(np.diff(zero, prepend=False, append=False))
    starts, runs = edges[::2], edges[1::2] - edges[::2]
    single = runs == 3
    counts = np.where(single, 1, runs // 4)
    firsts = np.where(single, starts - 1, starts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(firsts, counts) + 4 * within


def _checked(encoded: bytes) -> bytes:
    try:
        encoded.decode()
    except UnicodeDecodeError:
        raise Unusual("a string is not UTF-8") from None
    return encoded

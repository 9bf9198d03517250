"""Delimiters of several characters: one character stands for them on the way through a reader that knows only such."""

from contracts.dataset.source import SEPARATOR, Format

OWN = "\U0010f7fe"  # of plane 16, private use: stands for a SEPARATOR that the file has itself


class Separated:
    """UTF-8 in pieces of any size, with SEPARATOR where the delimiter is; found from the left, across the ends of pieces."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter, self._cut = delimiter.encode(), b""

    def piece(self, data: bytes, at_end: bool) -> bytes:
        """The piece as far as it is certain; what may be the beginning of a delimiter waits for the next one."""
        *before, rest = (self._cut + data.replace(SEPARATOR.encode(), OWN.encode())).split(self._delimiter)
        most = 0 if at_end else min(len(self._delimiter) - 1, len(rest))
        waiting = next((size for size in range(most, 0, -1) if self._delimiter.startswith(rest[-size:])), 0)
        self._cut = rest[len(rest) - waiting :]
        return SEPARATOR.encode().join([*before, rest[: len(rest) - waiting]])


def separated(text: str, fmt: Format) -> str:
    """The text with one character for each delimiter."""
    if fmt.separator == fmt.delimiter:
        return text
    return text.replace(SEPARATOR, OWN).replace(fmt.delimiter, SEPARATOR) if fmt.delimiter in text else text


def restored(text: str, fmt: Format) -> str:
    """The text as the file has it."""
    return text if fmt.separator == fmt.delimiter else text.replace(SEPARATOR, fmt.delimiter).replace(OWN, SEPARATOR)

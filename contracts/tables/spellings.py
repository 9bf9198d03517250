"""How whole numbers, numbers and truth values may be written: the one reader of each, for a text.

Text means what its decimal digits say, so that nothing is rounded on the way to a whole number. Contract, bulk scoring and
client read columns of cells through `contracts.tables.number_cells`, which takes the usual spellings at once and leaves the rest
to these; the served model, which has no Polars, reads with these alone.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow, localcontext
from typing import Any

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
FLOAT32_MAX = 3.4028234663852886e38
FLOAT32_END = 3.4028235677973366e38  # the smallest number that is infinite as float32
LONGEST = 38  # digits of a whole number that is told from others, as many as 128 bits hold
MOST_CHARS = 400  # of a number that is multiplied
WHITE = (  # Unicode's White_Space, which Polars strips; Python's own `strip` takes the separators 0x1c to 0x1f as well
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
NUMBER = re.compile(r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")
NO_NUMBER = re.compile(r"[+-]?(?:inf|infinity|nan)", re.IGNORECASE | re.ASCII)
TRUTH = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "t": True, "f": False}


class Misspelt(ValueError):
    """The text is nothing of the kind."""


class TooLarge(ValueError):
    """The text is a whole number that does not fit."""


def whole_number(text: str) -> int:
    """The whole number that a text means, exactly: `5`, `05`, `+5`, `5.0`, `5e0` and `0.5e1` mean 5.

    Raises Misspelt if it is none, and TooLarge if it is one that int64 does not hold.
    """
    number = long_whole_number(text)
    if not INT64_MIN <= number <= INT64_MAX:
        raise TooLarge(f"{text!r} does not fit int64")
    return number


def long_whole_number(text: str) -> int:
    """As `whole_number`, with room for LONGEST digits."""
    match = NUMBER.fullmatch(text.strip(WHITE))
    if match is None:
        raise Misspelt(f"{text!r} is no whole number")
    sign, before, after, alone, power = match.groups()
    fraction = after or alone or ""
    digits = ((before or "") + fraction).lstrip("0")
    if not digits:
        return 0
    kept = digits.rstrip("0")
    zeros = len(digits) - len(kept) - len(fraction) + _power(power or "0", len(text))
    if zeros < 0:
        raise Misspelt(f"{text!r} is no whole number")
    if len(kept) + zeros > LONGEST:
        raise TooLarge(f"{text!r} has more than {LONGEST} digits")
    return int(f"{sign}{kept}{'0' * zeros}")


def number(text: str) -> float:
    """The float64 nearest to the number that a text means; infinity and NaN can be written out. Raises Misspelt."""
    stripped = text.strip(WHITE)
    if NUMBER.fullmatch(stripped) is None and NO_NUMBER.fullmatch(stripped) is None:
        raise Misspelt(f"{text!r} is no number")
    return float(stripped)


def product(text: str, factor: Decimal) -> str | None:
    """The number that a text means, times `factor`, with all its digits; None where it is none, or too long to be told."""
    if NUMBER.fullmatch(text) is None or len(text) > MOST_CHARS:
        return None
    with localcontext(Context(prec=MOST_CHARS + len(factor.as_tuple().digits), traps=[Inexact, InvalidOperation, Overflow])):
        try:
            return str(Decimal(text) * factor)
        except (Inexact, InvalidOperation, Overflow):
            return None


def truth(text: str) -> bool:
    """The truth value that a text means. Raises Misspelt."""
    try:
        return TRUTH[text.strip(WHITE).lower()]
    except KeyError:
        raise Misspelt(f"{text!r} is neither true nor false") from None


def meanings(reader: Callable[[str], Any], texts: Iterable[str]) -> dict[str, Any]:
    """What each text means to one of these readers, without those that mean nothing."""
    found = {}
    for text in texts:
        with suppress(Misspelt, TooLarge):
            found[text] = reader(text)
    return found


def wholes_of(markers: Iterable[object]) -> list[int]:
    """The whole numbers among `markers`, exactly."""
    return [*meanings(long_whole_number, map(str, markers)).values()]


def floats_of(markers: Iterable[object]) -> list[float]:
    """The numbers among `markers` as float64."""
    return [*meanings(number, map(str, markers)).values()]


def fractions_of(markers: Iterable[object]) -> list[float]:
    """The numbers among `markers` that are no whole ones, as float64."""
    return [value for value in floats_of(markers) if not value.is_integer()]


def _power(text: str, num_digits: int) -> int:
    """The power of ten that a text means, or one beyond all that `num_digits` digits could make up for."""
    digits = text.lstrip("+-").lstrip("0")
    beyond = num_digits + LONGEST + 1
    size = beyond if len(digits) > len(str(beyond)) else min(int(digits or "0"), beyond)
    return -size if text.startswith("-") else size

"""Texts that are numbers, and such as are nearly, for tests of their readers; what Python's `decimal` says of them."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction

from hypothesis import strategies as st

from contracts.tables.spellings import WHITE

EDGES = ["0", "00", "9007199254740993", "9223372036854775807", "9223372036854775808"]
DIGITS = st.text("0123456789", max_size=25) | st.sampled_from(EDGES)
POWERS = st.integers(-60, 60) | st.sampled_from([400, -400, 10**12, -(10**12)])
SPACES = st.text(WHITE, max_size=2)


@st.composite
def spelt(draw) -> str:
    """A number in decimal digits, mostly; without digits it is none."""
    text = draw(st.sampled_from(["", "+", "-"])) + draw(DIGITS)
    if draw(st.booleans()):
        text += "." + draw(DIGITS | st.just("0" * 30))
    if draw(st.booleans()):
        text += draw(st.sampled_from("eE")) + draw(st.sampled_from(["", "+", "0"])) + str(draw(POWERS))
    return draw(SPACES) + text + draw(SPACES)


LETTERS = st.text("0123456789+-.eE_ infatyINFAT,'x\u0663\uff15\u00a0\x1c\x00", max_size=12)
WORDS = st.sampled_from(
    ["inf", "-Infinity", "NaN", "+nan", "true", " Yes ", "T", "F", "0x10", "1e", ".", "1_000", "5.e3", "\ufeff5"]
)
TEXTS = spelt() | LETTERS | WORDS | st.text(max_size=5)


def decimal_of(text: str) -> Fraction | None:
    """The number that a text means by `decimal`, exactly; None if it is none, or not written in plain digits."""
    bare = text.strip(WHITE)
    if bare != bare.strip() or not bare.isascii() or "_" in bare:
        return None
    try:
        found = Decimal(bare)
    except InvalidOperation:
        return None
    if not found.is_finite():
        return None
    _, digits, exponent = found.as_tuple()
    if abs(exponent) > 10_000:  # too much for a fraction; it is as good as any other so large or small
        return Fraction(10) ** 10_000 if exponent > 0 and any(digits) else Fraction(0) if not any(digits) else Fraction(1, 3)
    return Fraction(found)

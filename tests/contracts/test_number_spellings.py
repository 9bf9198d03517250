"""The readers of one text, against Python's `decimal`."""

import math
import re
from fractions import Fraction

import pytest
from hypothesis import example, given

from contracts.tables.spellings import (
    FLOAT32_END,
    FLOAT32_MAX,
    INT64_MAX,
    INT64_MIN,
    WHITE,
    Misspelt,
    TooLarge,
    floats_of,
    fractions_of,
    number,
    truth,
    whole_number,
    wholes_of,
)
from tests.contracts.number_texts import TEXTS, decimal_of


@given(TEXTS)
@example("9007199254740993.0")
@example("9.007199254740993e15")
@example("9007199254740993.0000000000000000000001")
@example("17999999999999999000")
@example("-9223372036854775808.")
@example("5" * 5000)
@example("0" * 5000 + "5." + "0" * 5000)
def test_a_whole_number_is_what_decimal_says(text):
    exact = decimal_of(text)
    if exact is None or exact.denominator != 1:
        with pytest.raises(Misspelt):
            whole_number(text)
    elif not INT64_MIN <= exact <= INT64_MAX:
        with pytest.raises(TooLarge, match="does not fit int64|has more than 38 digits"):
            whole_number(text)
    else:
        assert whole_number(text) == exact


def test_powers_beyond_what_decimal_knows_cost_nothing():
    assert whole_number("0e999999999999999999999999") == 0
    for text, broken in (("1e999999999999999999999999", TooLarge), ("1e-999999999999999999999999", Misspelt)):
        with pytest.raises(broken):
            whole_number(text)


@given(TEXTS)
@example("0.1")
@example("1e400")
@example("2.4703282292062327e-324")
@example("9007199254740993")
def test_a_number_is_the_float_nearest_to_what_decimal_says(text):
    exact = decimal_of(text)
    if exact is None:
        if re.fullmatch("[+-]?(inf|infinity|nan)", text.strip(WHITE).lower()):
            assert not math.isfinite(number(text))
        else:
            with pytest.raises(Misspelt, match="is no number"):
                number(text)
        return
    found = number(text)
    if math.isinf(found):
        assert abs(exact) >= Fraction(2) ** 1024 - Fraction(2) ** 970
    elif exact != Fraction(1, 3):  # stands for what is too small for a fraction
        for other in (math.nextafter(found, -math.inf), math.nextafter(found, math.inf)):
            assert math.isinf(other) or abs(Fraction(found) - exact) <= abs(Fraction(other) - exact)


def test_truth_values_have_words_and_two_digits():
    for true, false in (("true", "false"), ("1", "0"), ("yes", "no"), ("t", "f"), (" TRUE\n", "\tNo ")):
        assert truth(true) is True and truth(false) is False
    for text in ("1.0", "+1", "01", "on", "", "2", "tru e"):
        with pytest.raises(Misspelt, match="is neither true nor false"):
            truth(text)


def test_markers_that_are_numbers_are_read_as_cells_are():
    markers = [999, "-1", "1_000", "٣", "unknown", 0.5, "9007199254740993", 18446744073709551615, "1e3", "NaN"]
    assert wholes_of(markers) == [999, -1, 9007199254740993, 18446744073709551615, 1000]
    assert floats_of(markers)[:6] == [999.0, -1.0, 0.5, 9007199254740992.0, 18446744073709551616.0, 1000.0]
    assert fractions_of(markers)[0] == 0.5 and math.isnan(fractions_of(markers)[1])


def test_the_limits_of_float32_are_the_machines():
    numpy = pytest.importorskip("numpy")
    with numpy.errstate(over="ignore"):
        assert numpy.float32(FLOAT32_MAX) == numpy.finfo(numpy.float32).max == numpy.float32(math.nextafter(FLOAT32_END, 0))
        assert numpy.isinf(numpy.float32(FLOAT32_END))

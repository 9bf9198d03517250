"""The route's text, of which C and Python take one digest, and the arms of routing keys."""

import hashlib
import math
from dataclasses import replace
from decimal import Decimal

import pytest

from contracts.serving.route import (
    BUCKETS,
    MOST_BYTES,
    Route,
    Trial,
    bucket,
    parse,
    percent,
    ppm_of,
    shadow_bucket,
    text_of,
)
from tests.route_limits import LIMITS

TRIAL = Trial(
    challenger=13, share_ppm=50_000, shadow_ppm=BUCKETS, salt="9f86d081884c7d65", valid_until_ms=1_764_460_800_000, limits=LIMITS
)
CANARY = Route(champion=12, mode="canary", trial=TRIAL)
TEXT = """format 1
champion 12
challenger 13
mode canary
share 5
shadow 100
salt 9f86d081884c7d65
valid_until 1764460800000
timeout_ms 100
max_p99_ms 50
max_error_share 0.02
max_timeout_share 0.02
max_mean_ratio 1.5
min_distinct_ratio 0.2
max_slowdown 3
end
"""
KEYS = [f"user-{number}".encode() for number in range(100_000)]


def test_a_route_is_this_text_and_no_other():
    assert text_of(CANARY) == TEXT and parse(TEXT) == CANARY
    off = "format 1\nchampion 12\nmode off\nend\n"
    assert text_of(Route(champion=12)) == off and parse(off) == Route(champion=12)
    spelt = replace(TRIAL, limits=replace(LIMITS, max_slowdown=Decimal("3.00"), max_error_share=Decimal("0.020")))
    assert text_of(replace(CANARY, trial=spelt)) == TEXT


def test_the_digest_is_of_all_lines_but_the_end_of_the_route():
    without = TEXT.replace("valid_until 1764460800000\n", "")
    assert CANARY.digest == int.from_bytes(hashlib.sha256(without.encode()).digest()[:8], "big")
    assert replace(CANARY, trial=replace(TRIAL, valid_until_ms=1)).digest == CANARY.digest
    others = [
        *(replace(TRIAL, **{name: value}) for name, value in (("share_ppm", 1), ("shadow_ppm", 1), ("salt", "0" * 8))),
        replace(TRIAL, challenger=14),
        *(replace(TRIAL, limits=replace(LIMITS, **{name: 1})) for name in vars(LIMITS)),
    ]
    digests = {CANARY.digest, replace(CANARY, mode="ab").digest, *(replace(CANARY, trial=trial).digest for trial in others)}
    assert len(digests) == len(others) + 2


LINES = TEXT.splitlines(keepends=True)


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_line_that_is_missing_or_there_twice_is_named(number):
    name = LINES[number].split()[0]
    with pytest.raises(ValueError, match=r"line \d+: expected") as missing:
        parse("".join(LINES[:number] + LINES[number + 1 :]))
    assert f"line {number + 1}:" in str(missing.value) or name == "challenger"  # the lines behind it are then too many
    again = number + 1 if name == "end" else number + 2
    with pytest.raises(ValueError, match=rf"line {again}: expected .*, got '{LINES[number].strip()}"):
        parse("".join([*LINES[: number + 1], *LINES[number:]]))


@pytest.mark.parametrize("cut", range(len(TEXT)))
def test_what_was_cut_off_anywhere_is_no_route(cut):
    with pytest.raises(ValueError, match="expected"):
        parse(TEXT[:cut])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("format 1", "format 2", "line 1: expected 'format 1', got 'format 2'"),
        ("format 1", "form 1", "line 1: expected 'format ...', got 'form 1'"),
        ("champion 12", "champion 0", "line 2: expected 'champion' and a whole number from 1 on"),
        ("champion 12", "champion 012", "line 2"),
        ("champion 12", "champion +12", "line 2"),
        ("champion 12", "champion 1" + "0" * 18, "line 2"),
        ("challenger 13", "challenger -1", "line 3"),
        ("challenger 13", "challenger 12", "champion and challenger are both release 12"),
        ("mode canary", "mode Canary", r"line 4: expected 'mode off\|shadow\|canary\|ab', got 'mode Canary'"),
        ("mode canary", "mode off", "a route of mode off has a challenger"),
        ("mode canary", "mode shadow", "in mode shadow the challenger answers nobody, got share 5"),
        ("challenger 13\n", "", "line 4: expected 'end', and nothing behind it, got 'share 5'"),
        ("share 5", "share 5.0", "line 5: expected 'share' and a number from 0 to 100, got 'share 5.0'"),
        ("share 5", "share 5.00001", "line 5: expected 'share' and a percentage with at most 4 decimals"),
        ("share 5", "share 100.0001", "line 5"),
        ("share 5", "share 1e1", "line 5"),
        ("share 5", "share nan", "line 5"),
        ("share 5", "share ٥", "line 5"),
        ("shadow 100", "shadow 101", "line 6"),
        ("salt 9f86d081884c7d65", "salt 9F86D081884C7D65", "salt: expected 8 to 64 hexadecimal digits"),
        ("salt 9f86d081884c7d65", "salt 9f86d08", "salt: expected 8 to 64 hexadecimal digits, got '9f86d08'"),
        ("valid_until 1764460800000", "valid_until 1.5", "line 8"),
        ("timeout_ms 100", "timeout_ms 0", "line 9"),
        ("max_error_share 0.02", "max_error_share 1.5", "line 11: expected 'max_error_share' and a number from 0 to 1"),
        ("max_mean_ratio 1.5", "max_mean_ratio 0.5", "line 13"),
        ("max_slowdown 3", "max_slowdown 3 ", "line 15"),
        ("max_slowdown 3\n", "max_slowdown 3\r\n", "line 15"),
        ("end\n", "end\n\n", "line 16: expected 'end', and nothing behind it"),
        ("end\n", "end", "line 16"),
        ("format 1\n", "", "line 1: expected 'format ...', got 'champion 12'"),
        ("end\n", "note x\nend\n", "line 16"),
    ],
)
def test_a_broken_line_is_named_with_what_was_expected(old, new, words):
    assert old in TEXT
    with pytest.raises(ValueError, match=words):
        parse(TEXT.replace(old, new, 1))


def test_a_route_is_small():
    with pytest.raises(ValueError, match=f"a route has at most {MOST_BYTES} bytes, got 5000"):
        parse("x" * 5000)


def test_what_does_not_fit_together_is_no_route():
    with pytest.raises(ValueError, match="a route of mode canary has no challenger"):
        Route(champion=12, mode="canary")
    with pytest.raises(ValueError, match="a route of mode off has a challenger"):
        Route(champion=12, trial=TRIAL)


def test_percentages_are_exact():
    assert [ppm_of(text) for text in ("0", "0.1", "1", "5", "33.3333", "100")] == [0, 1000, 10_000, 50_000, 333_333, 1_000_000]
    assert [percent(ppm) for ppm in (0, 1, 1000, 333_333, 1_000_000)] == ["0", "0.0001", "0.1", "33.3333", "100"]
    for text in ("-1", "100.1", "0.00001", "nan", "inf", "1e9999999", "five", ""):
        with pytest.raises(ValueError, match="expected a percentage from 0 to 100"):
            ppm_of(text)


def test_a_bucket_is_known_beforehand():
    """By hand, as any other program would compute it."""
    digest = hashlib.sha256(b"9f86d081884c7d65\0user-1").digest()
    first, second = (int.from_bytes(digest[at : at + 8], "big") for at in (0, 8))
    assert bucket("9f86d081884c7d65", b"user-1") == first * BUCKETS // 2**64
    assert shadow_bucket("9f86d081884c7d65", b"user-1") == second * BUCKETS // 2**64


@pytest.mark.parametrize("share", ["0.1", "1", "5", "50"])
def test_a_share_of_the_keys_goes_to_the_challenger_whatever_the_salt(share):
    for salt in ("9f86d081884c7d65", "00000000", "f" * 64):
        route = replace(CANARY, trial=replace(TRIAL, share_ppm=ppm_of(share), salt=salt))
        found = sum(route.answers(key) == "challenger" for key in KEYS)
        expected = float(share) / 100 * len(KEYS)
        assert abs(found - expected) < 4.5 * math.sqrt(expected * (1 - float(share) / 100))


def test_a_raised_share_moves_keys_one_way_only():
    buckets = {key: bucket(TRIAL.salt, key) for key in KEYS}
    assert min(buckets.values()) >= 0 and max(buckets.values()) < BUCKETS
    challenged: set[bytes] = set()
    for share_ppm in (0, 1000, 10_000, 50_000, 500_000, BUCKETS):
        now = {key for key, found in buckets.items() if found < share_ppm}
        assert challenged <= now
        challenged = now
    assert challenged == {*KEYS}


def test_a_new_salt_moves_keys_and_shadow_work_says_nothing_of_the_arm():
    half, count = BUCKETS // 2, len(KEYS)
    first = [bucket(TRIAL.salt, key) < half for key in KEYS]
    for second in ([bucket("00" * 8, key) < half for key in KEYS], [shadow_bucket(TRIAL.salt, key) < half for key in KEYS]):
        same = sum(one == other for one, other in zip(first, second, strict=True))
        assert abs(same - count / 2) < 4.5 * math.sqrt(count / 4)


def test_an_off_route_has_one_arm():
    assert {Route(champion=12).answers(key) for key in KEYS[:100]} == {"champion"}

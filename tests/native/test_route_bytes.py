"""A route and a key mean to the backend in C what they mean to contracts/serving/route.py: digests, buckets, what is refused."""

import random
import subprocess
from decimal import Decimal

import pytest

from contracts.serving.route import Limits, Route, Trial, bucket, parse, shadow_bucket, text_of
from tests.native.programs import COMPARED, HERE, MEMORY, NATIVE, build, ways

pytestmark = pytest.mark.native
SOURCES = (
    HERE / COMPARED,
    HERE / "faults.c",
    *(NATIVE / name for name in ("routing/route.c", "routing/buckets.c", "words.c")),
)
KEYS, ROUTES, BROKEN = 100_000, 200, 4_000
HEX = "0123456789abcdef"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the program in C says of lines."""
    found = ways(MEMORY)
    program = build(tmp_path_factory.mktemp("route") / "routes_and_keys", found, list(SOURCES))

    def tell(lines: list[str]) -> list[str]:
        done = subprocess.run([*found.start, program], input="\n".join(lines) + "\n", capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return tell


def a_key(rng: random.Random) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        return f"user {rng.randrange(10**9)}".encode()
    if kind == 1:
        return rng.randbytes(rng.randint(1, 64)).replace(b"\0", b"0")
    if kind == 2:
        return "".join(chr(rng.choice((97, 228, 0x416, 0x1F600)) + rng.randrange(20)) for _ in range(rng.randint(1, 30))).encode()
    return b"k" * rng.randint(1, 256)


def a_salt(rng: random.Random) -> str:
    return "".join(rng.choices(HEX, k=rng.randint(8, 64)))


def a_number(rng: random.Random, low: int, high: int, most_decimals: int) -> Decimal:
    decimals = rng.randint(0, most_decimals)
    return Decimal(rng.randint(low * 10**decimals, high * 10**decimals)).scaleb(-decimals)


def a_route(rng: random.Random) -> Route:
    champion, challenger = rng.sample(range(1, 10 ** rng.randint(1, 9)), 2)
    mode = rng.choice(("off", "shadow", "canary", "ab"))
    if mode == "off":
        return Route(champion=champion)
    limits = Limits(
        timeout_ms=rng.randint(1, 10 ** rng.randint(1, 6)),
        max_p99_ms=rng.randint(1, 10 ** rng.randint(1, 6)),
        max_error_share=a_number(rng, 0, 1, 9),
        max_timeout_share=a_number(rng, 0, 1, 9),
        max_mean_ratio=a_number(rng, 1, 1000, 9),
        min_distinct_ratio=a_number(rng, 0, 1, 9),
        max_slowdown=a_number(rng, 1, 1000, 9),
    )
    share_ppm, shadow_ppm = (rng.choice((0, 1, 1_000_000, rng.randint(0, 1_000_000))) for _ in range(2))
    trial = Trial(
        challenger=challenger,
        share_ppm=0 if mode == "shadow" else share_ppm,
        shadow_ppm=shadow_ppm,
        salt=a_salt(rng),
        valid_until_ms=rng.randint(0, 10**15),
        limits=limits,
    )
    return Route(champion=champion, mode=mode, trial=trial)


def said(route: Route) -> str:
    """The line that is expected of the program."""
    trial = route.trial
    more = (
        "0 {} 0 0 0" if trial is None else f"{trial.challenger} {{}} {trial.share_ppm} {trial.shadow_ppm} {trial.valid_until_ms}"
    )
    return f"{route.digest:016x} {route.champion} {more.format(route.mode)}"


def test_a_hundred_thousand_keys_stand_in_the_same_buckets(told):
    rng = random.Random(1)
    keys = [(a_salt(rng), a_key(rng)) for _ in range(KEYS)]
    expected = [f"{bucket(salt, key)} {shadow_bucket(salt, key)}" for salt, key in keys]
    assert told([f"key {salt} {key.hex()}" for salt, key in keys]) == expected


def test_routes_have_the_same_digests_and_say_the_same(told):
    rng = random.Random(2)
    routes = [a_route(rng) for _ in range(ROUTES)]
    assert told([f"route {text_of(route).encode().hex()}" for route in routes]) == [said(route) for route in routes]
    assert {route.mode for route in routes} == {"off", "shadow", "canary", "ab"}


def changed(rng: random.Random, text: bytes) -> bytes:
    """A text with a byte or a line that is another one, or away, or there twice."""
    lines, place = text.splitlines(keepends=True), rng.randrange(len(text))
    line = rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        return text[:place] + bytes([rng.choice(b"0123456789 .-+e\n\r\0af\xc3")]) + text[place + 1 :]
    if kind == 1:
        return text[:place] + text[place + 1 :]
    if kind == 2:
        return text[:place] + bytes([rng.choice(b"0123456789 .\n")]) + text[place:]
    if kind == 3:
        return b"".join(lines[:line] + lines[line + 1 :])
    if kind == 4:
        return b"".join(lines[: line + 1] + lines[line:])
    return text[:place]


def expected_of(text: bytes) -> str:
    try:
        return said(parse(text.decode()))
    except ValueError:
        return "wrong"


def test_what_one_refuses_the_other_refuses(told):
    rng = random.Random(3)
    texts = [changed(rng, text_of(a_route(rng)).encode()) for _ in range(BROKEN)]
    expected = [expected_of(text) for text in texts]
    assert told([f"route {text.hex()}" for text in texts if text]) == [
        line for text, line in zip(texts, expected, strict=True) if text
    ]
    assert 100 < sum(line != "wrong" for line in expected) < BROKEN / 2  # some changes are another route

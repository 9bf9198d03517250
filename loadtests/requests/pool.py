"""The requests of a run, prepared once: bytes, number of rows, and the probabilities that have to come back.

They lie in a folder that every process of the run maps into memory: `bodies.bin`, `expected.npy` and `requests.npy`. Where the
server has a challenger, its probabilities are in `challenger.npy`, and `key_places.npy` says whose each request is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loadtests.requests.prepared_request import KINDS, PreparedRequest

REQUEST = np.dtype(
    [
        ("kind", "u1"),  # place in KINDS
        ("malformed", "?"),
        ("rows", "<u4"),
        ("header_length", "<u4"),  # of binary HTTP, else 0
        ("start", "<u8"),  # of its bytes in bodies.bin
        ("length", "<u8"),
        ("first", "<u8"),  # of its rows in expected.npy; malformed requests have none there
    ]
)


CHALLENGER, KEY_PLACES = "challenger.npy", "key_places.npy"
NO_KEY = -1


@dataclass(frozen=True, kw_only=True)
class Pool:
    """All requests of one kind."""

    good: list[PreparedRequest]
    malformed: list[PreparedRequest]


def write_pool(folder: Path, requests: Iterable[PreparedRequest]) -> None:
    rows, expected, challenger, keys, start, first = [], [], [], [], 0, 0
    with (folder / "bodies.bin").open("wb") as bodies:
        for one in requests:
            keys.append(NO_KEY if one.key is None else one.key)
            challenger += [] if one.challenger_N is None else [one.challenger_N]
            place = (KINDS.index(one.kind), one.malformed, one.num_rows, one.header_length, start, len(one.body), first)
            rows.append(place)
            expected.append(one.expected_N)
            start, first = start + bodies.write(one.body), first + len(one.expected_N)
    np.save(folder / "expected.npy", np.concatenate([np.empty(0, dtype=np.float32), *expected]))
    np.save(folder / "requests.npy", np.array(rows, dtype=REQUEST))
    if challenger:
        np.save(folder / CHALLENGER, np.concatenate(challenger))
    if any(key != NO_KEY for key in keys):
        np.save(folder / KEY_PLACES, np.array(keys, dtype=np.int64))


def read_pool(folder: Path) -> dict[str, Pool]:
    """The prepared requests by kind; a kind of which there are none is left out."""
    bodies = (folder / "bodies.bin").read_bytes()
    expected = np.load(folder / "expected.npy")
    challenger = np.load(folder / CHALLENGER) if (folder / CHALLENGER).is_file() else None
    found: dict[str, Pool] = {}
    requests = np.load(folder / "requests.npy")
    keys = np.load(folder / KEY_PLACES) if (folder / KEY_PLACES).is_file() else np.full(len(requests), NO_KEY)
    for row, key in zip(requests, keys.tolist(), strict=True):
        start, length, first, num_rows = (int(row[name]) for name in ("start", "length", "first", "rows"))
        kind, malformed = KINDS[row["kind"]], bool(row["malformed"])
        pool = found.setdefault(kind, Pool(good=[], malformed=[]))
        (pool.malformed if malformed else pool.good).append(
            PreparedRequest(
                kind=kind,
                malformed=malformed,
                num_rows=num_rows,
                header_length=int(row["header_length"]),
                body=bodies[start : start + length],
                expected_N=expected[first : first + (0 if malformed else num_rows)],
                challenger_N=None if challenger is None or malformed else challenger[first : first + num_rows],
                key=None if key == NO_KEY else key,
            )
        )
    return found

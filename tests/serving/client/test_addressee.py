"""Who shall answer: by a caller's key or a release that is named, over both protocols; what cannot be said is not sent."""

import asyncio
import re
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bench.routing.challengers import make_challenger, scaled
from contracts.serving.route import bucket
from serving.client import AsyncCtrClient, CtrClient
from serving.client.addressee import Addressee
from serving.predict.command import main as score_file
from serving.server.server import TritonServer
from tests.serving.client_world import PROTOCOLS, url_of
from tests.serving.routing.routed_world import SALT, a_route, routed
from tests.serving.served_world import REPOSITORY

HALF = 500_000
TOO_LONG = "ü" * 129
ROWS = pl.DataFrame({"site": ["a"]})


def arm(key: str) -> int:
    return 2 if bucket(SALT, key.encode()) < HALF else 1


@pytest.mark.triton
def test_a_key_and_a_release_say_who_answers(exported, exported_rows, tmp_path, monkeypatch):
    champion = exported / REPOSITORY
    challenger = make_challenger(champion, tmp_path / "challenger" / "repository", scaled(0.9))
    many = pl.concat([exported_rows] * 5)
    with routed(tmp_path, champion, challenger) as running:
        running.put(a_route(share=50))
        for protocol in PROTOCOLS:
            with CtrClient(url_of(running.server, protocol), protocol) as client:
                asked = {release: client.predict(exported_rows[:4], release=release) for release in (1, 2)}
                assert [{*answer.model_version.tolist()} for answer in asked.values()] == [{1}, {2}]
                np.testing.assert_allclose(asked[2].probability, 0.9 * asked[1].probability, rtol=1e-6)
                for user in range(12):
                    key = f"user ä{user}"
                    assert {*client.predict(exported_rows[:2], routing_key=key).model_version.tolist()} == {arm(key)}, key
                for key in ("somebody", "sixth"):
                    pieces = client.predict(many, routing_key=key)  # which are several requests
                    assert {*pieces.model_version.tolist()} == {arm(key)} and len(pieces) > client.served().max_rows
                apart, refused = client.predict_apart(exported_rows[:2], release=np.int64(2))
                assert {*apart.model_version.tolist()} == {2} and refused == []
            assert scored_by(running.server, protocol, exported_rows, tmp_path, monkeypatch) == {2}
            assert asyncio.run(versions(url_of(running.server, protocol), protocol, exported_rows[:2])) == [arm("x"), 2]


def scored_by(server: TritonServer, protocol: str, rows: pl.DataFrame, folder: Path, monkeypatch) -> set[int]:
    """Who scored a file whose rows were to be scored by release 2."""
    source, output = folder / "rows.parquet", folder / f"{protocol}.csv"
    rows.write_parquet(source)
    asked = ["--url", url_of(server, protocol), "--protocol", protocol, "--release", "2", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["predict", str(source), *asked])
    score_file()
    return {*pl.read_csv(output)["model_version"].to_list()}


async def versions(url: str, protocol: str, rows: pl.DataFrame) -> list[int]:
    async with AsyncCtrClient(url, protocol) as client:
        answers = [await client.predict(rows, routing_key="x"), await client.predict(rows, release=2)]
    return [int(answer.model_version[0]) for answer in answers]


@pytest.mark.parametrize(
    ("asked", "kind", "sentence"),
    [
        ({"routing_key": 7}, TypeError, "routing_key must be a str, one for all rows of a call, got int"),
        ({"routing_key": ["a"]}, TypeError, "routing_key must be a str, one for all rows of a call, got list"),
        ({"routing_key": b"a"}, TypeError, "routing_key must be a str, one for all rows of a call, got bytes"),
        ({"routing_key": ""}, ValueError, "routing_key must have 1 to 256 bytes, got 0; leave it out where there is none"),
        ({"routing_key": TOO_LONG}, ValueError, "routing_key must have 1 to 256 bytes, got 258"),
        ({"routing_key": "a\ud800"}, ValueError, "routing_key 'a\\ud800' has characters that UTF-8 cannot write; give a text"),
        ({"routing_key": "a\0b"}, ValueError, "routing_key 'a\\x00b' holds a NUL, at which the server would end it"),
        ({"release": "2"}, TypeError, "release must be an int, the number of a release, got str"),
        ({"release": 2.0}, TypeError, "release must be an int, the number of a release, got float"),
        ({"release": True}, TypeError, "release must be an int, the number of a release, got bool"),
        ({"release": 0}, ValueError, "release must be the number of a release, 1 or more, got 0"),
        ({"release": 2**63}, ValueError, "release must be the number of a release, 1 or more, got 9223372036854775808"),
    ],
)
def test_what_no_request_can_say_is_refused_before_anything_is_sent(asked, kind, sentence):
    with CtrClient("127.0.0.1:1") as client, pytest.raises(kind, match=re.escape(sentence)):
        client.predict(ROWS, **asked)  # nobody listens there


def test_what_is_not_said_is_not_sent():
    assert Addressee().parameters == {}
    assert Addressee(routing_key="ü" * 128).parameters == {"routing_key": "ü" * 128}
    said = Addressee(release=np.int64(3)).parameters
    assert said == {"release": 3} and type(said["release"]) is int
